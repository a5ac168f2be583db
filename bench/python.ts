import { execFile, execFileSync } from 'node:child_process'
import { copyFile, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { NoVerdict } from './report.ts'
import { tool } from './tools.ts'

const REQUIREMENTS = fileURLToPath(new URL('./requirements.txt', import.meta.url))
const VENV = fileURLToPath(new URL('./.venv', import.meta.url))
const run = promisify(execFile)

/** The Python of bench/.venv, which is made anew when it is missing or its requirements changed. */
export async function benchPython(): Promise<string> {
  const python = join(VENV, 'bin', 'python')
  const installed = join(VENV, 'requirements.installed')
  const [wanted, present] = await Promise.all([
    readFile(REQUIREMENTS, 'utf8'),
    readFile(installed, 'utf8').catch(() => ''),
  ])
  if (wanted === present) return python
  const interpreter = fastestPython()
  console.log(`installing bench/requirements.txt into bench/.venv with ${interpreter}`)
  try {
    await run(interpreter, ['-m', 'venv', '--clear', VENV])
  } catch {
    throw new NoVerdict(`${interpreter} has no venv module. Debian and Ubuntu: apt-get install python3-venv`)
  }
  const pip = [
    '-m',
    'pip',
    'install',
    '--quiet',
    '--disable-pip-version-check',
    '--requirement',
    REQUIREMENTS,
  ]
  await run(python, pip).catch((error) => {
    throw new NoVerdict(
      `bench/requirements.txt could not be installed into bench/.venv: ${error.stderr || error.message}`,
    )
  })
  // Written last: an interrupted installation is started again.
  await copyFile(REQUIREMENTS, installed)
  return python
}

/** Version of an interpreter and where it came from, for the notes of a report. */
export function pythonLine(python: string): string {
  const say = 'import platform, sys; print(f"Python {platform.python_version()} of {sys.base_prefix}")'
  return execFileSync(python, ['-c', say], { encoding: 'utf8' }).trim()
}

/** A second of bytecode: what a compiler's optimisation of the interpreter changes. */
const EXERCISE = `
import time
def call(x): return [x, {}]
start = time.perf_counter()
total = 0
for i in range(2000000): total += i % 7
for i in range(500000): call(i)
print(time.perf_counter() - start)`

/**
 * The fastest of the interpreters on PATH and the system's: one that was built without optimisation (as pyenv
 * does unless told) takes 1.6 times as long, and would flatter us.
 */
function fastestPython(): string {
  const given = process.env.PYTHON
  if (given) return given
  const candidates = new Set([tool('python3'), '/usr/bin/python3'])
  const timed = [...candidates].flatMap((path) => {
    try {
      return [
        {
          path,
          seconds: Number(
            execFileSync(path, ['-c', EXERCISE], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }),
          ),
        },
      ]
    } catch {
      return []
    }
  })
  return timed.toSorted((a, b) => a.seconds - b.seconds)[0]?.path ?? tool('python3')
}
