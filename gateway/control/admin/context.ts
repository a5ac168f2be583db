import type { OpenAPIHono } from '@hono/zod-openapi'
import type { Charts } from '../charts.ts'
import type { ConfigStanding } from '../config-standing.ts'
import type { Control } from '../control.ts'
import type { DriftWatch } from '../drift/drift-watch.ts'
import type { Changes } from './changes.ts'
import { AdminProblem } from './problem.ts'
import type { Seen } from './rollout-view.ts'

/** What the routes of every resource work with. */
export interface AdminContext extends Seen {
  readonly app: OpenAPIHono
  readonly changes: Changes
  readonly charts: Charts
  readonly drift: DriftWatch
  readonly configuration: ConfigStanding
  /** Where the policy files lie. */
  readonly policiesFolder: string
}

/** The name, if a model of this name is configured; throws the problem otherwise. */
export function known(control: Control, model: string): string {
  if (Object.hasOwn(control.config.models, model)) return model
  throw new AdminProblem('model-unknown', `no model '${model.slice(0, 64)}' is configured`)
}
