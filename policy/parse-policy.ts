import { meaning } from '@coalmine/contract/spelling.ts'
import { type FileProblem, type Path, parseStrictYaml } from '@coalmine/contract/strict-yaml.ts'
import type { Affinity } from '@coalmine/core/rollout/deployment.ts'
import type { Comparison, Guardrail, Policy, Step } from '@coalmine/core/rollout/policy.ts'
import { locatedPolicyFaults, type PolicyFault } from '@coalmine/core/rollout/policy-faults.ts'
import { policyHash } from './policy-hash.ts'
import { policyNameProblem } from './policy-name.ts'
import { policySchema, WEIGHT_EXPECTED, type WrittenPolicy } from './policy-schema.ts'

export interface PolicyFile {
  readonly policy: Policy
  /** Undefined: the model's own. */
  readonly affinity?: Affinity | 'none'
}

export type ParsedPolicy =
  | { readonly ok: true; readonly file: PolicyFile }
  | { readonly ok: false; readonly problems: readonly FileProblem[] }

/** The policy of a file's text, all its problems in the order of the file otherwise. Pure; never throws. */
export function parsePolicy(name: string, text: string): ParsedPolicy {
  const nameProblem = policyNameProblem(name)
  if (nameProblem !== undefined)
    return {
      ok: false,
      problems: [{ path: '', expected: `another file name (${nameProblem})`, found: name }],
    }
  const parsed = parseStrictYaml(text, policySchema)
  if (!parsed.ok) return { ok: false, problems: inOrder(parsed.problems) }
  const { value, problemAt, foundAt } = parsed
  const policy = policyOf(name, value)
  const own = crossCheck(value, policy)
  // Of what the core objects to as well, the file's own words are the better ones.
  const others = locatedPolicyFaults(policy)
    .filter((fault) => !own.some(({ path }) => isWithin(path, fault.path)))
    .map((fault) => findingOf(fault, foundAt))
  const problems = [...own, ...others].map(({ path, expected, found }) =>
    problemAt(path, expected, found ?? foundAt(path)),
  )
  if (problems.length > 0) return { ok: false, problems: inOrder(problems) }
  const { sessionAffinity: affinity } = value
  return { ok: true, file: { policy, ...(affinity !== undefined && { affinity }) } }
}

function policyOf(name: string, written: WrittenPolicy): Policy {
  const { risk, interval, progressDeadline, onNoTraffic, keepPrevious, watch } = written
  const compared = [...written.guardrails, ...written.signals]
  const rules: Omit<Policy, 'name' | 'hash'> = {
    steps: written.steps.flatMap((step, i) =>
      step.mirror === undefined ? [stepOf(step, i === written.steps.length - 1)] : [],
    ),
    risk,
    guardrails: written.guardrails.map(
      ({ share, ...comparison }): Guardrail => ({
        ...comparisonOf(comparison, compared),
        share: share ?? 1 / written.guardrails.length,
      }),
    ),
    signals: written.signals.map((comparison) => comparisonOf(comparison, compared)),
    ...(written.labelWindow !== undefined && { labelWindowMs: written.labelWindow }),
    ...mirrorOf(written.steps),
    intervalMs: interval,
    progressDeadlineMs: progressDeadline,
    onInconclusive: written.onInconclusive,
    onNoTraffic: { action: onNoTraffic.action, afterMs: onNoTraffic.after },
    onSampleRatioMismatch: written.onSampleRatioMismatch,
    shield: written.shield,
    keepPreviousMs: keepPrevious,
    ...(watch && {
      watch: {
        holdBackBp: watch.holdBack,
        durationMs: watch.duration,
        falseAlarmEveryMs: watch.falseAlarmEvery,
      },
    }),
  }
  return { name, hash: policyHash(rules), ...rules }
}

/** The mirror that the steps begin with, if they do. */
function mirrorOf([first]: WrittenPolicy['steps']): Pick<Policy, 'mirror'> {
  if (first?.mirror === undefined) return {}
  const { mirror, minDuration, proof = 1, requiresApproval } = first
  return {
    mirror: {
      mirrorBp: mirror.percent,
      minDurationMs: minDuration,
      proof,
      // Only where it is asked: a policy that does not keeps its hash.
      ...(requiresApproval && { requiresApproval }),
    },
  }
}

/** The last step asks for the whole rollout's proof; of its own it asks none unless the file says so. */
function stepOf(
  { setWeight = Number.NaN, minDuration, proof = 1, requiresApproval, gates }: WrittenPolicy['steps'][number],
  isLast: boolean,
): Step {
  return {
    weightBp: setWeight,
    minDurationMs: minDuration,
    proof,
    requiresApproval,
    ...(gates !== undefined && !isLast && { gates }),
  }
}

type WrittenComparison = WrittenPolicy['signals'][number]

function comparisonOf(written: WrittenComparison, all: readonly WrittenComparison[]): Comparison {
  const name = written.name ?? defaultName(written, all)
  if (written.metric !== 'latency') return { ...withoutUndefined(written), name } as Comparison
  const { metric, quantiles, tolerate, margin } = written
  return {
    name,
    metric,
    quantiles: [...new Set(quantiles)].toSorted((a, b) => a - b),
    tolerate: { relative: tolerate.relative, atLeastMs: tolerate.atLeast },
    margin: { relative: margin.relative, atLeastMs: margin.atLeast },
  }
}

/** Keys that are not there are not in the hash of a policy. */
function withoutUndefined<T extends object>(written: T): T {
  return Object.fromEntries(Object.entries(written).filter(([, value]) => value !== undefined)) as T
}

const ACCURACY_NAMES = { wrong: 'accuracy', brier: 'brier', log: 'log_loss' }

/** The metric; where scores are compared by several distances, the distance as well. */
function defaultName(written: WrittenComparison, all: readonly WrittenComparison[]): string {
  if (written.metric === 'accuracy') {
    const { loss, class: one } = written
    const parts = [ACCURACY_NAMES[loss ?? 'wrong'], ...(one === undefined ? [] : [one])]
    return parts
      .join('_')
      .replaceAll(/[^A-Za-z0-9._-]/g, '-')
      .slice(0, 63)
  }
  if (written.metric !== 'score_distribution') return written.metric
  const distances = new Set(
    all.flatMap((each) => (each.metric === 'score_distribution' ? each.distance : [])),
  )
  return distances.size > 1 ? `${written.metric}_${written.distance}` : written.metric
}

interface Finding {
  readonly path: Path
  readonly expected: string
  /** Undefined: what stands at the path. */
  readonly found?: string
}

/** What the file alone shows, or says better than the policy. */
function crossCheck({ steps, guardrails, signals }: WrittenPolicy, policy: Policy): Finding[] {
  const last = steps.length - 1
  const names = policy.guardrails.map(({ name }) => name)
  const unshared = guardrails.flatMap(({ share }, i) => (share === undefined ? [i] : []))
  const sum = policy.guardrails.reduce((total, { share }) => total + share, 0)
  return [
    ...steps.flatMap((step, i) => formFindings(step, i)),
    ...(steps.every(({ mirror }) => mirror !== undefined) && steps.length > 0
      ? [{ path: ['steps'], expected: 'a step with setWeight after the mirror' }]
      : []),
    ...steps.flatMap(({ proof, gates }, i): Finding[] => [
      ...(proof === undefined && i < last
        ? [
            {
              path: ['steps', i, 'proof'],
              expected: 'the risk of leaving this step with a bad canary, such as 0.3 (1 asks for no proof)',
            },
          ]
        : []),
      ...(gates !== undefined && i === last
        ? [
            {
              path: ['steps', i, 'gates'],
              expected: 'no gates at the last step, which waits for every guardrail',
            },
          ]
        : (gates ?? []).flatMap((gate, j) =>
            names.includes(gate)
              ? []
              : [
                  {
                    path: ['steps', i, 'gates', j],
                    expected: `a guardrail: ${[...new Set(names)].join(', ')}${meaning(gate, names)}`,
                  },
                ],
          )),
    ]),
    ...(unshared.length < guardrails.length
      ? unshared.map((i) => ({
          path: ['guardrails', i, 'share'],
          expected: 'a share, as other guardrails have one (all or none)',
        }))
      : []),
    ...(unshared.length === 0 && Math.abs(sum - 1) >= 1e-9
      ? [
          {
            path: ['guardrails'],
            expected: 'shares that sum to 1',
            found: `shares that sum to ${Number(sum.toPrecision(6))}`,
          },
        ]
      : []),
    ...nameFindings(
      [
        ...guardrails.map(({ name }, i) => ({ written: name, path: ['guardrails', i] })),
        ...signals.map(({ name }, i) => ({ written: name, path: ['signals', i] })),
      ],
      [...policy.guardrails, ...policy.signals].map(({ name }) => name),
    ),
  ]
}

/** A step sets a weight, or is the mirror that others follow. */
function formFindings({ mirror, setWeight, gates }: WrittenPolicy['steps'][number], i: number): Finding[] {
  const at = (key: string) => ['steps', i, key]
  if (mirror === undefined)
    return setWeight === undefined ? [{ path: at('setWeight'), expected: WEIGHT_EXPECTED }] : []
  const inMirror = 'nothing, as the step is a mirror, in which nobody gets an answer of the canary'
  return [
    ...(i > 0 ? [{ path: at('mirror'), expected: 'no mirror but in the first step' }] : []),
    ...(setWeight === undefined ? [] : [{ path: at('setWeight'), expected: inMirror }]),
    ...(gates === undefined
      ? []
      : [
          {
            path: at('gates'),
            expected: 'nothing, as a mirror waits for every guardrail that copies speak of',
          },
        ]),
  ]
}

function nameFindings(
  places: readonly { readonly written: string | undefined; readonly path: Path }[],
  names: readonly string[],
): Finding[] {
  return places.flatMap(({ written, path }, i) =>
    names.indexOf(names[i]!) === i
      ? []
      : [
          {
            path: [...path, 'name'],
            expected: `a name of its own, as another comparison is called ${names[i]}`,
            found: written === undefined ? 'no name' : `"${written}" again`,
          },
        ],
  )
}

function findingOf({ path, must }: PolicyFault, foundAt: (path: Path) => string): Finding {
  const found = foundAt(path)
  return {
    path,
    expected: must.startsWith('not ') ? `it not to ${must.slice(4)}` : `it to ${must}`,
    found: found === 'nothing' ? 'the default' : found,
  }
}

function isWithin(path: Path, outer: Path): boolean {
  return outer.every((part, i) => path[i] === part)
}

function inOrder(problems: readonly FileProblem[]): FileProblem[] {
  return problems.toSorted((a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0))
}
