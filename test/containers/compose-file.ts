import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'

/** What the tests read of a service in compose.yaml; the schema check covers the rest. */
export interface Service {
  build?: { context: string; dockerfile: string; target?: string }
  image?: string
  environment?: Record<string, string>
  volumes?: string[]
  ports?: string[]
  networks?: string[]
  depends_on?: Record<string, { condition: string }>
  healthcheck?: { test: string[] }
  read_only?: boolean
  init?: boolean
  restart?: string
  cap_drop?: string[]
  security_opt?: string[]
  logging?: { driver: string; options: Record<string, string> }
  stop_grace_period?: string
  deploy?: { resources: { limits: { cpus: string; memory: string; pids: number } } }
}

export interface ComposeFile {
  services: Record<string, Service>
  networks: Record<string, { internal?: boolean } | null>
  volumes: Record<string, unknown>
}

export function readComposeFile(root: string): ComposeFile {
  return parse(readFileSync(join(root, 'compose.yaml'), 'utf8'), { merge: true })
}
