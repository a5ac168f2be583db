import type { Command } from 'commander'
import { modelPath } from '../admin-client.ts'
import type { Context } from '../context.ts'
import { phaseText, trafficLines, weightText } from '../rollout-text.ts'
import { columns, paint } from '../text.ts'
import type { Configuration, ModelView, Traffic } from '../views.ts'

export function statusCommand(program: Command, context: Context): void {
  program
    .command('status')
    .summary('what is served, and what waits for somebody')
    .description('Every model in a line, or one in full with its rollout, guardrails and endpoints.')
    .argument('[model]')
    .addHelpText(
      'after',
      '\nExamples:\n  coalmine status\n  coalmine status churn\n  coalmine status churn --json | jq .rollout.phase',
    )
    .action(async (model: string | undefined, _, command: Command) => {
      const client = context.client(command)
      if (model === undefined) {
        const { view } = await client.read<{ models: ModelView[] }>('/api/v1/models')
        const { view: configuration } = await client.read<Configuration>('/api/v1/configuration')
        return context.print(command, { ...view, configuration }, () => [
          ...overview(view.models, Date.now()),
          ...configurationLines(configuration),
        ])
      }
      const { view: traffic } = await client.read<Traffic>(`${modelPath(model)}/rollout`)
      const { view: whole } = await client.read<ModelView>(modelPath(model))
      const { endpoints, versions, faults, drift } = whole
      context.print(command, { ...traffic, endpoints, versions, faults, drift }, () => [
        ...trafficLines(traffic, Date.now()),
        ...detail(whole),
      ])
    })
}

function overview(models: readonly ModelView[], nowMs: number): string[] {
  if (models.length === 0) return ['no models: add one to config/gateway.yaml']
  return columns([
    ['model', 'stable', 'tried', 'weight', 'endpoints', 'state'].map((title) => paint('dim', title)),
    ...models.map((model) => {
      const { rollout, split, stable } = model
      const tried = rollout?.canary.version ?? split?.canary.version ?? ''
      const weight = rollout?.weightPercent.canary ?? split?.weightPercent
      return [
        model.model,
        stable?.version ?? '-',
        tried,
        weight === undefined ? '' : weightText(weight),
        healthText(model),
        stateText(model, nowMs),
      ]
    }),
  ])
}

function configurationLines({ problem, atNextStart }: Configuration): string[] {
  const lines = [
    ...(problem === null
      ? []
      : [paint('red', `the configuration is refused, and what was in force before stays: ${problem}`)]),
    ...(atNextStart.length === 0
      ? []
      : [paint('yellow', `in force from the next start of the gateway: ${atNextStart.join(', ')}`)]),
  ]
  return lines.length > 0 ? ['', ...lines] : []
}

function healthText({ endpoints }: ModelView): string {
  const healthy = endpoints.filter((endpoint) => endpoint.healthy).length
  const text = `${healthy}/${endpoints.length} healthy`
  return healthy === endpoints.length ? text : paint('red', text)
}

function stateText({ rollout, split, stable, faults, frozen }: ModelView, nowMs: number): string {
  const states = [
    ...(stable === null ? [paint('yellow', 'nothing deployed')] : []),
    ...(rollout ? [phaseText(rollout, nowMs)] : []),
    ...(split ? ['split by hand'] : []),
    ...(frozen ? [paint('yellow', 'frozen')] : []),
    ...(faults.length > 0 ? [paint('red', `${faults.length} version(s) at fault`)] : []),
  ]
  return states.length > 0 ? states.join(', ') : paint('green', '✔ steady')
}

function detail({ endpoints, versions, faults, drift }: ModelView): string[] {
  return [
    '',
    ...columns([
      ['endpoint', 'version', 'arm', 'health'],
      ...endpoints.map(({ id, version, arm, healthy, reason }) => [
        id,
        version,
        arm ?? '',
        healthy ? paint('green', 'healthy') : paint('red', reason ?? 'unhealthy'),
      ]),
    ]).map((line) => `  ${line}`),
    '',
    ...columns([
      ['version', 'role', 'description'],
      ...versions.map(({ version, role, description }) => [version, role, description ?? '']),
    ]).map((line) => `  ${line}`),
    ...faults.map(({ version, reason }) => paint('red', `  ${version}: ${reason}`)),
    ...drift.map((sentence) => paint('yellow', `  file and gateway differ: ${sentence}`)),
  ]
}
