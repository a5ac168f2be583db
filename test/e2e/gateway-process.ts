import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { CUSTOMER } from '../../worker/testing/customer.ts'

export { CUSTOMER }

export const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const PROGRAM = join(ROOT, 'gateway/main.ts')

export interface Settings {
  models: string
  /** Texts of config/policies/NAME.yaml. */
  policies?: Record<string, string>
  env?: Record<string, string>
  processes?: number
  modelsFolder?: string
  /** The state folder on a disk of its own, so large; takes a user who may mount. */
  stateBytes?: number
  /** How many files and connections each of its processes may have open. */
  descriptors?: number
  /** In YAML; see `NEVER_LATE`. */
  overload?: string
  /** A descriptor for its standard error, which is not in `output` then. */
  log?: number
}

/** A machine with other work makes every event loop late, and the gateway would rightly refuse predictions for that. */
const NEVER_LATE = '{ loopDelay: 10s, loopUse: 100% }'

/** Of a model: a busy machine makes a worker slow, and who waits for it by then would rightly be refused. */
export const PATIENT = 'queue: { maxWait: 2s }'

/** Why no gateway can have a disk of its own here; undefined where it can. */
export function noOwnDisk(): string | undefined {
  const { status, stderr, error } = spawnSync('unshare', ['-m', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt'])
  return status === 0 ? undefined : `nothing can be mounted here: ${error?.message ?? stderr}`
}

/** A whole gateway in a folder of its own, on free ports, as `npm start` runs it. */
export class Gateway {
  readonly folder = mkdtempSync(join(tmpdir(), 'coalmine-e2e-'))
  readonly #env: Record<string, string>
  readonly #processes: number
  readonly #modelsFolder: string
  readonly #policies: Record<string, string>
  readonly #stateBytes: number | undefined
  readonly #descriptors: number | undefined
  readonly #overload: string
  ports = { data: 0, admin: 0, metrics: 0 }
  child!: ChildProcess
  output = ''

  constructor({
    env = {},
    processes = 1,
    modelsFolder = join(ROOT, 'models'),
    policies = {},
    stateBytes,
    descriptors,
    overload = NEVER_LATE,
  }: Omit<Settings, 'models' | 'log'> = {}) {
    this.#modelsFolder = modelsFolder
    this.#policies = policies
    this.#stateBytes = stateBytes
    this.#descriptors = descriptors
    this.#overload = overload
    this.#env = env
    this.#processes = processes
  }

  static async start({ models, log, ...rest }: Settings): Promise<Gateway> {
    const gateway = new Gateway(rest)
    const [data, admin, metrics] = await freePorts(3)
    gateway.ports = { data: data!, admin: admin!, metrics: metrics! }
    gateway.configure(models)
    await gateway.start(log)
    return gateway
  }

  get configFile(): string {
    return join(this.folder, 'config/gateway.yaml')
  }

  /** Writes the configuration; `models` is the YAML under that key, two spaces in. */
  configure(models: string): void {
    mkdirSync(join(this.folder, 'config/policies'), { recursive: true })
    for (const [name, text] of Object.entries(this.#policies)) this.writePolicy(name, text)
    const { data, admin, metrics } = this.ports
    writeFileSync(
      this.configFile,
      [
        `listen: { data: 127.0.0.1:${data}, admin: 127.0.0.1:${admin}, metrics: 127.0.0.1:${metrics} }`,
        `processes: ${this.#processes}`,
        'store: sqlite:./data/coalmine.db',
        `modelsFolder: ${this.#modelsFolder}`,
        `overload: ${this.#overload}`,
        'models:',
        models,
      ].join('\n'),
    )
  }

  writePolicy(name: string, text: string): void {
    writeFileSync(join(this.folder, `config/policies/${name}.yaml`), text)
  }

  edit(change: (text: string) => string): void {
    writeFileSync(this.configFile, change(readFileSync(this.configFile, 'utf8')))
  }

  async start(log?: number): Promise<void> {
    this.spawn(log)
    await until(
      async () => this.output.includes('Coalmine is up') && (await this.status('/readyz')) === 200,
      () => this.output,
    )
  }

  spawn(log?: number): void {
    const command = [process.execPath, PROGRAM, '--config', this.configFile]
    const [program, ...flags] = this.#onItsDisk(this.#withDescriptors(command))
    this.child = spawn(program!, flags, {
      env: { ...process.env, ...this.#env },
      stdio: ['ignore', 'pipe', log ?? 'pipe'],
    })
    for (const stream of [this.child.stdout, this.child.stderr])
      stream?.on('data', (chunk) => (this.output += chunk))
  }

  /** In a mount namespace of its own, which goes with it, and with the same process id. */
  #onItsDisk(command: string[]): string[] {
    if (this.#stateBytes === undefined) return command
    const folder = join(this.folder, 'data')
    mkdirSync(folder, { recursive: true })
    const mounted = 'mount -t tmpfs -o size="$1" tmpfs "$2" && shift 2 && exec "$@"'
    return ['unshare', '-m', 'sh', '-c', mounted, 'sh', `${this.#stateBytes}`, folder, ...command]
  }

  /** Both limits: Node raises the soft one to the hard one. */
  #withDescriptors(command: string[]): string[] {
    if (this.#descriptors === undefined) return command
    return ['sh', '-c', `ulimit -HSn ${this.#descriptors} && exec "$@"`, 'sh', ...command]
  }

  /** A command that sees the gateway's disk. */
  beside(command: string[]): string[] {
    return this.#stateBytes === undefined ? command : ['nsenter', '-t', `${this.child.pid}`, '-m', ...command]
  }

  exited(): Promise<number | null> {
    return new Promise((resolve) => {
      if (this.child.exitCode !== null || this.child.signalCode !== null) return resolve(this.child.exitCode)
      this.child.once('exit', (code) => resolve(code))
    })
  }

  async stop(): Promise<number | null> {
    this.child.kill('SIGTERM')
    return this.exited()
  }

  /** Ends it whatever state it is in, and removes its folder. */
  async dispose(): Promise<void> {
    const hurry = setTimeout(() => this.child.kill('SIGTERM'), 20_000)
    if (this.child.exitCode === null && this.child.signalCode === null) await this.stop()
    clearTimeout(hurry)
    rmSync(this.folder, { recursive: true, force: true })
  }

  data(path: string, init?: RequestInit): Promise<Response> {
    return fetch(`http://127.0.0.1:${this.ports.data}${path}`, init)
  }

  predict(
    instances: unknown[] = [CUSTOMER],
    headers: Record<string, string> = {},
    path = '/v1/models/churn:predict',
  ): Promise<Response> {
    return this.data(path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify({ instances }),
    })
  }

  async status(path: string): Promise<number> {
    return this.data(path).then(
      (response) => response.status,
      () => 0,
    )
  }

  admin(path: string, init: RequestInit & { json?: unknown } = {}): Promise<Response> {
    const { json, headers, ...rest } = init
    return fetch(`http://127.0.0.1:${this.ports.admin}${path}`, {
      ...rest,
      headers: { ...(json === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
      ...(json === undefined ? {} : { body: JSON.stringify(json) }),
    })
  }

  // biome-ignore lint/suspicious/noExplicitAny: tests read answers as they come
  async model(name = 'churn'): Promise<any> {
    return (await this.admin(`/api/v1/models/${name}`)).json()
  }

  async metrics(): Promise<string> {
    return (await fetch(`http://127.0.0.1:${this.ports.metrics}/metrics`)).text()
  }

  /** Process ids of the children by the program they run. */
  children(program: string): number[] {
    return descendants(this.child.pid!).filter((pid) => {
      const command = readProc(pid, 'cmdline')
      return command?.split('\0').some((part) => part.endsWith(program))
    })
  }
}

function descendants(parent: number): number[] {
  const direct = (readProc(parent, `task/${parent}/children`) ?? '')
    .trim()
    .split(' ')
    .filter(Boolean)
    .map(Number)
  return direct.flatMap((pid) => [pid, ...descendants(pid)])
}

function readProc(pid: number, file: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8')
  } catch {
    return undefined
  }
}

// biome-ignore lint/suspicious/noExplicitAny: tests read answers as they come
export async function json(response: Response): Promise<any> {
  return response.json()
}

/** Waits for a fact, not for a time; gives up long after it should have become true, and says what it saw. */
export async function until(
  fact: () => boolean | Promise<boolean>,
  evidence: () => string = () => '',
): Promise<void> {
  const end = performance.now() + 100_000
  for (;;) {
    if (await fact()) return
    if (performance.now() > end) throw new Error(`what was awaited did not become true\n${evidence()}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise<net.Server>((resolve) => {
          const server = net.createServer()
          server.listen(0, '127.0.0.1', () => resolve(server))
        }),
    ),
  )
  const ports = servers.map((server) => (server.address() as net.AddressInfo).port)
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return ports
}
