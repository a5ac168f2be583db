import { randomUUID } from 'node:crypto'
import { parseArgs } from 'node:util'
import { startFaultControl } from './control.ts'
import { FAULT_NAMES, type Fault, FaultError, faultFromText } from './fault.ts'
import { type ProxyOptions, startFaultProxy } from './proxy.ts'

const HELP = `Stands beside a worker and harms its predictions; everything else goes through.

  node test/faults/main.ts --to http://127.0.0.1:9000 --fault slow
  curl -X PUT CONTROL/fault -d '{"kind": "errors", "rate": 0.2}'

  --to ORIGIN          the worker
  --to-socket PATH     the worker, on a Unix socket
  --listen-socket PATH listen on a Unix socket instead of a free port of 127.0.0.1
  --fault FAULT        a name or JSON [none]; names: ${FAULT_NAMES.join(', ')}
  --seed TEXT          which predictions are harmed where not all are [drawn]

Prints one JSON line {"address", "control", "seed"} when it listens. Ends with its standard input.
`

const BAD_SETTINGS = 2

type Settings = Required<Pick<ProxyOptions, 'to' | 'fault' | 'seed'>> & Pick<ProxyOptions, 'socket'>

function settingsOrExit(): Settings {
  try {
    const { values } = parseArgs({
      options: {
        to: { type: 'string' },
        'to-socket': { type: 'string' },
        'listen-socket': { type: 'string' },
        fault: { type: 'string', default: 'none' },
        seed: { type: 'string', default: randomUUID() },
        help: { type: 'boolean', short: 'h', default: false },
      },
    })
    if (values.help) {
      process.stdout.write(HELP)
      process.exit(0)
    }
    const { to: origin, 'to-socket': workerSocket, 'listen-socket': socket, seed } = values
    if ((origin === undefined) === (workerSocket === undefined))
      throw new FaultError('one of --to and --to-socket says where the worker is')
    if (origin !== undefined && (!URL.canParse(origin) || new URL(origin).protocol !== 'http:'))
      throw new FaultError(`--to: expected an origin such as http://127.0.0.1:9000, got ${origin}`)
    const to = origin === undefined ? { socket: workerSocket! } : { origin: new URL(origin).origin }
    const fault: Fault = faultFromText(values.fault)
    return { to, fault, seed, ...(socket === undefined ? {} : { socket }) }
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n`)
    process.exit(BAD_SETTINGS)
  }
}

const settings = settingsOrExit()
const proxy = await startFaultProxy(settings)
const control = await startFaultControl(proxy)
const { address } = proxy
process.stdout.write(`${JSON.stringify({ address, control: control.origin, seed: settings.seed })}\n`)
process.stdin.once(
  'end',
  () => void Promise.all([proxy.close(), control.close()]).then(() => process.exit(0)),
)
process.stdin.resume()
