import { loadModelFolder } from '@coalmine/contract/model-folder.ts'
import { examplePredictRequest } from '@coalmine/contract/openapi.ts'
import type { Address, GatewayConfig } from './config/gateway-config.ts'
import type { CertificateFiles } from './tls/certificate.ts'

/** What a new user sees first: where things are and one thing to try. */
export async function welcome(
  { listen, tls, models, modelsFolder }: GatewayConfig,
  ready: boolean,
): Promise<string> {
  const [first] = Object.keys(models)
  const data = url(listen.data, tls.data)
  const lines = [
    ready ? 'Coalmine is up.' : 'Coalmine listens, but not every model is ready; the admin API says why.',
    '',
    `  predictions   ${data}`,
    `  docs          ${data}/docs`,
    `  console       ${url(listen.admin, tls.admin)}/console/`,
    `  admin API     ${url(listen.admin, tls.admin)}/api/docs`,
    `  metrics       ${url(listen.metrics)}/metrics`,
    '',
    `Models: ${Object.keys(models).join(', ') || 'none; add one under models: in the configuration'}`,
  ]
  if (first)
    lines.push('', 'Try it:', '', `  ${await firstCall(data, modelsFolder, first, models[first]!.initial)}`)
  if (first && models[first]!.policy)
    lines.push(
      '',
      'Watch its rollout:',
      '',
      `  curl -s ${url(listen.admin, tls.admin)}/api/v1/models/${first}/rollout`,
    )
  return `${lines.join('\n')}\n\n`
}

/** A prediction that works when pasted, where the model's contract is at hand. */
async function firstCall(
  data: string,
  modelsFolder: string,
  model: string,
  version: string,
): Promise<string> {
  try {
    const { manifest } = await loadModelFolder(modelsFolder, model, version)
    const body = JSON.stringify(examplePredictRequest(manifest)).replaceAll("'", "'\\''")
    return `curl -i ${data}/v1/models/${model}:predict -d '${body}'`
  } catch {
    return `curl -i ${data}/v2/models/${model}`
  }
}

function url({ host, port }: Address, tls?: CertificateFiles): string {
  const shown = host === '0.0.0.0' || host === '::' ? 'localhost' : host.includes(':') ? `[${host}]` : host
  return `${tls ? 'https' : 'http'}://${shown}:${port}`
}
