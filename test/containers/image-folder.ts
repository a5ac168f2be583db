import { execFile } from 'node:child_process'
import { chmod, chown, copyFile, cp, mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, delimiter, dirname, join, posix, relative } from 'node:path'
import { promisify } from 'node:util'
import { isIgnored } from './docker-ignore.ts'
import { environmentOf, readDockerfile, type Stage, type Step, stepsOf } from './dockerfile.ts'

const run = promisify(execFile)
const ARCHITECTURE = process.arch === 'x64' ? 'amd64' : process.arch

/** A folder that holds what an image would hold beyond its base, and what the image says about running it. */
export interface ImageFolder {
  root: string
  workdir: string
  env: Readonly<Record<string, string>>
  user: string
  command: readonly string[]
  healthcheck: readonly string[]
  /** PATH: the Node that runs the test, in place of the base image's, and the system's programs. */
  path: string
}

/**
 * Carries out a Dockerfile on the host, for one target: COPY copies, RUN runs, every stage in its own folder. An
 * instruction it does not know is an error, so that a Dockerfile cannot say more than was checked.
 *
 * @param context folder of the build context, with its .dockerignore
 */
export async function buildImage(
  context: string,
  dockerfile: string,
  target: string,
): Promise<ImageFolder & { remove(): Promise<void> }> {
  const scratch = await mkdtemp(join(tmpdir(), 'coalmine-image-'))
  // The image's user, another one than ours, must reach it.
  await chmod(scratch, 0o755)
  await mkdir(join(scratch, '.bin'))
  await copyFile(process.execPath, join(scratch, '.bin/node'))
  const path = [join(scratch, '.bin'), '/usr/local/bin', '/usr/bin', '/bin'].join(delimiter)
  const stages = readDockerfile(join(context, dockerfile))
  const ignoreFile = await readFile(join(context, '.dockerignore'), 'utf8')
  const built = new Map<string, ImageFolder>()

  const build = async (name: string): Promise<ImageFolder> => {
    const known = built.get(name)
    if (known) return known
    const stage = stages.find((each) => each.name === name)
    if (!stage) throw new Error(`${dockerfile} has no stage ${name}`)
    const image: ImageFolder = { ...describeStage(stage), root: join(scratch, name), path }
    await mkdir(image.root, { recursive: true })
    built.set(name, image)
    for (const step of stage.steps) {
      if (step.keyword === 'WORKDIR') await mkdir(join(image.root, image.workdir), { recursive: true })
      else if (step.keyword === 'RUN') await carryOut(step, image)
      else if (step.keyword === 'COPY') {
        const from = step.flags.from
        if (from === undefined) await copy(step, image, context, (file) => !isIgnored(ignoreFile, file))
        else await copy(step, image, (await build(from)).root, () => true)
      } else if (!DESCRIBED.has(step.keyword))
        throw new Error(`${dockerfile}: ${step.keyword} is not understood here`)
    }
    return image
  }
  const image = await build(target)
  return { ...image, remove: () => rm(scratch, { recursive: true, force: true }) }
}

/** Instructions that add no file. */
const DESCRIBED = new Set(['ARG', 'ENV', 'USER', 'EXPOSE', 'STOPSIGNAL', 'HEALTHCHECK', 'CMD'])

function describeStage(stage: Stage): Omit<ImageFolder, 'root' | 'path'> {
  const last = (keyword: string) => stepsOf(stage, keyword).at(-1)
  return {
    workdir: last('WORKDIR')?.words[0] ?? '/',
    env: environmentOf(stage),
    user: last('USER')?.words[0] ?? 'root',
    command: last('CMD')?.words ?? [],
    healthcheck: last('HEALTHCHECK')?.words ?? [],
  }
}

/** How this machine reaches the registry stays in force (proxy, certificates, npm's own settings). */
const withoutTheTests = () =>
  Object.entries(process.env).filter(([name]) => !/^(NODE_(ENV|OPTIONS|PATH)$|VITEST|COALMINE_)/.test(name))

async function carryOut({ text }: Step, { root, workdir, env, path }: ImageFolder): Promise<void> {
  await run('sh', ['-c', text], {
    cwd: join(root, workdir),
    env: { ...Object.fromEntries(withoutTheTests()), TARGETARCH: ARCHITECTURE, ...env, PATH: path },
  })
}

async function copy(
  { words, flags }: Step,
  image: ImageFolder,
  source: string,
  included: (path: string) => boolean,
): Promise<void> {
  const names = words.slice(0, -1)
  const written = words.at(-1)!
  const destination = join(image.root, posix.resolve(image.workdir, written))
  for (const name of names) {
    const from = join(source, name)
    const contents = await readdir(from).catch(() => undefined)
    const to =
      contents === undefined && written.endsWith('/') ? join(destination, basename(name)) : destination
    if (!included(relative(source, from))) throw new Error(`COPY ${name}: .dockerignore leaves it out`)
    await mkdir(contents ? to : dirname(to), { recursive: true })
    await cp(from, to, {
      recursive: true,
      verbatimSymlinks: true,
      filter: (file) => included(relative(source, file)),
    })
    const owner = flags.chown?.split(':').map(Number)
    if (owner && process.getuid?.() === 0) await chown(to, owner[0]!, owner[1]!)
  }
}
