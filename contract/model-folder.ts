import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readdir, readFile, realpath, stat } from 'node:fs/promises'
import { join, sep } from 'node:path'
import { parseBackground } from './background.ts'
import { type Golden, parseGolden } from './golden.ts'
import { type Manifest, ManifestError, namedFiles, parseManifest } from './manifest.ts'
import { modelNameProblem, versionProblem } from './names.ts'
import { parseReference, type Reference } from './reference.ts'

const MANIFEST_FILE = 'model.yaml'

/** A version's folder, read and checked. */
export interface ModelFolder {
  /** Absolute, symbolic links resolved. */
  path: string
  manifest: Manifest
  /** `sha256:<hex>` over model.yaml and every file it names. */
  digest: string
  /** Empty when the version has none. */
  golden: Golden[]
  /** What it saw in training, where it says so. */
  reference?: Reference
  /** Rows of its training data, where it names them. */
  background?: Record<string, unknown>[]
}

/**
 * Loads models/<model>/<version>. Throws an Error naming the file at fault: a folder that is missing, lies
 * outside `modelsRoot`, whose manifest, golden records, background or reference are broken, whose manifest names another
 * version, or whose model file has another sha256 than the manifest says.
 */
export async function loadModelFolder(
  modelsRoot: string,
  model: string,
  version: string,
): Promise<ModelFolder> {
  for (const [what, problem] of [
    ['model', modelNameProblem(model)],
    ['version', versionProblem(version)],
  ] as const)
    if (problem !== undefined) throw fault(modelsRoot, '', `the name of a ${what}`, problem)
  const folder = join(modelsRoot, model, version)
  const path = await within(await resolved(modelsRoot), folder)
  const manifestPath = join(folder, MANIFEST_FILE)
  const yaml = await contentOf(path, MANIFEST_FILE, manifestPath)
  const manifest = parseManifest(yaml.toString('utf8'), manifestPath)
  if (manifest.name !== model)
    throw fault(manifestPath, 'name', `"${model}", as the folder`, `"${manifest.name}"`)
  if (manifest.version !== version)
    throw fault(manifestPath, 'version', `"${version}", as the folder`, `"${manifest.version}"`)

  const hashes = new Map([[MANIFEST_FILE, sha256(yaml)]])
  let golden: Golden[] = []
  let reference: Reference | undefined
  let background: Record<string, unknown>[] | undefined
  for (const name of namedFiles(manifest)) {
    const shown = join(folder, name)
    if (manifest.externalData?.includes(name)) {
      hashes.set(name, await streamedHash(path, name, shown))
      continue
    }
    const content = await contentOf(path, name, shown)
    hashes.set(name, sha256(content))
    if (name === manifest.golden) golden = parseGolden(content.toString('utf8'), shown)
    if (name === manifest.reference) reference = parseReference(content.toString('utf8'), shown)
    if (name === manifest.explain?.background)
      background = parseBackground(content.toString('utf8'), shown, manifest)
  }
  const modelHash = hashes.get(manifest.file)
  if (modelHash !== manifest.sha256)
    throw fault(manifestPath, 'sha256', `the hash of ${manifest.file}, ${modelHash}`, manifest.sha256)
  return {
    path,
    manifest,
    digest: digestOf(hashes),
    golden,
    ...(reference && { reference }),
    ...(background && { background }),
  }
}

/** Every complete version folder under `modelsRoot`, sorted by name; folders still being written are left out. */
export async function listModelFolders(modelsRoot: string): Promise<{ model: string; version: string }[]> {
  const found: { model: string; version: string }[] = []
  for (const model of await namesIn(modelsRoot)) {
    if (modelNameProblem(model) !== undefined) continue
    for (const version of await namesIn(join(modelsRoot, model))) {
      if (versionProblem(version) !== undefined) continue
      const manifest = await stat(join(modelsRoot, model, version, MANIFEST_FILE)).catch(() => undefined)
      if (manifest?.isFile()) found.push({ model, version })
    }
  }
  return found
}

/** The digest of a version from the sha256 of each of its files: sorted lines `<hex>  <name>`, as sha256sum prints. */
export function digestOf(hashes: ReadonlyMap<string, string>): string {
  const lines = [...hashes].map(([name, hash]) => `${hash}  ${name}\n`).sort()
  return `sha256:${sha256(lines.join(''))}`
}

async function namesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return []
    throw error
  })
  return entries.sort()
}

async function contentOf(folder: string, name: string, shown: string): Promise<Buffer> {
  const path = await within(folder, join(folder, name), shown)
  return readFile(path).catch((error: NodeJS.ErrnoException) => {
    throw unreadable(shown, error)
  })
}

/** Weights may be larger than what fits into memory at once. */
async function streamedHash(folder: string, name: string, shown: string): Promise<string> {
  const path = await within(folder, join(folder, name), shown)
  const hash = createHash('sha256')
  try {
    for await (const piece of createReadStream(path)) hash.update(piece)
  } catch (error) {
    throw unreadable(shown, error as NodeJS.ErrnoException)
  }
  return hash.digest('hex')
}

function unreadable(shown: string, { code, message }: NodeJS.ErrnoException): ManifestError {
  return fault(shown, '', 'a readable file', code ?? message)
}

/** The real path of something that must lie inside `folder`, itself a real path. */
async function within(folder: string, path: string, shown = path): Promise<string> {
  const real = await resolved(path, shown)
  if (!real.startsWith(folder + sep)) throw fault(shown, '', `a path inside ${folder}`, `a link to ${real}`)
  return real
}

async function resolved(path: string, shown = path): Promise<string> {
  return realpath(path).catch((error: NodeJS.ErrnoException) => {
    throw fault(
      shown,
      '',
      'a file or folder',
      error.code === 'ENOENT' ? 'nothing' : (error.code ?? error.message),
    )
  })
}

function fault(file: string, path: string, expected: string, found: string): ManifestError {
  return new ManifestError(file, [{ path, expected, found }])
}

function sha256(content: Buffer | string): string {
  return createHash('sha256').update(content).digest('hex')
}
