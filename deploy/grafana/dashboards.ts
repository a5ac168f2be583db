import type { Dashboard, Panel } from './panel.ts'

const MODEL = { name: 'model', metric: 'coalmine_endpoints', label: 'model' }
const RATE = '[$__rate_interval]'

const wide = (panel: Omit<Panel, 'w' | 'h'>): Panel => ({ w: 12, h: 8, ...panel })
const small = (panel: Omit<Panel, 'w' | 'h' | 'kind'>): Panel => ({ w: 4, h: 4, kind: 'stat', ...panel })

const ERRORS = 'outcome=~"error|invalid|timeout|unavailable"'
const quantile = (q: number, by: string, of: string) =>
  `histogram_quantile(${q}, sum by (${by}, le) (rate(coalmine_request_duration_seconds_bucket{${of}}${RATE})))`

/** Everything at once: is anything wrong, and where? */
const fleet: Dashboard = {
  uid: 'coalmine-fleet',
  title: 'Coalmine: fleet',
  variables: [],
  rows: [
    {
      title: 'Now',
      panels: [
        small({
          title: 'Requests',
          description: 'Predictions that clients got, of any kind.',
          unit: 'reqps',
          queries: { requests: `sum(rate(coalmine_responses_total${RATE}))` },
        }),
        small({
          title: 'Client errors',
          description: 'Share of 5xx among the answers.',
          unit: 'percentunit',
          thresholds: [0.001, 0.01],
          queries: {
            errors: `(sum(rate(coalmine_responses_total{code=~"5.."}${RATE})) or vector(0)) / sum(rate(coalmine_responses_total${RATE}))`,
          },
        }),
        small({
          title: 'Rollouts',
          description: 'That run now.',
          queries: { rollouts: 'count(coalmine_rollout_phase == 1) or vector(0)' },
        }),
        small({
          title: 'Waiting for somebody',
          description: 'Held, paused, or waiting for approval.',
          thresholds: [1, 3],
          queries: {
            waiting:
              'count(coalmine_rollout_phase{phase=~"held|paused|awaiting-approval"} == 1) or vector(0)',
          },
        }),
        small({
          title: 'Endpoints out',
          description: 'Unhealthy by the checks.',
          thresholds: [1, 2],
          queries: { out: 'sum(coalmine_endpoints{health="unhealthy"})' },
        }),
        small({
          title: 'Overload',
          description: '0 calm, 1 no second attempts, 2 closes connections, 3 refuses.',
          thresholds: [1, 3],
          queries: { level: 'max(coalmine_overload_level)' },
        }),
      ],
    },
    {
      title: 'Models',
      panels: [
        wide({
          title: 'Requests by model',
          description: 'By the version that was drawn.',
          unit: 'reqps',
          queries: { '{{model}}': `sum by (model) (rate(coalmine_requests_total${RATE}))` },
        }),
        wide({
          title: 'Client errors by model',
          description: 'Failures of a canary that stable answered are none of theirs.',
          unit: 'percentunit',
          thresholds: [0.001, 0.01],
          queries: { '{{model}}': 'model:coalmine_client_error_ratio:rate5m' },
        }),
        wide({
          title: 'Endpoints',
          description: 'By health.',
          queries: { '{{model}} {{version}} {{health}}': 'coalmine_endpoints' },
        }),
        wide({
          title: 'Attempts under way at each endpoint',
          description: 'Against the limit that adapts to latency.',
          queries: {
            '{{endpoint}}': 'coalmine_endpoint_requests_in_flight',
            '{{endpoint}} limit': 'coalmine_endpoint_requests_limit',
          },
        }),
        wide({
          title: 'Ejections, panics and second attempts',
          description:
            'Endpoints left out for their failures; choices that ignored health, as too few were healthy; attempts made again elsewhere, and those that the budget refused.',
          unit: 'reqps',
          queries: {
            'ejections {{model}}': `sum by (model) (rate(coalmine_endpoint_ejections_total${RATE}))`,
            'panics {{model}}': `sum by (model) (rate(coalmine_endpoint_panics_total${RATE}))`,
            '{{model}} {{outcome}}': `sum by (model, outcome) (rate(coalmine_second_attempts_total${RATE}))`,
          },
        }),
        wide({
          title: 'Rows in a call of the link',
          description: 'How many predictions travel together: 1 with nothing to do, more under load.',
          queries: {
            '{{model}} {{version}}': `sum by (model, version) (rate(coalmine_endpoint_link_rows_total${RATE})) / (sum by (model, version) (rate(coalmine_endpoint_link_calls_total${RATE})) > 0) or 0 * sum by (model, version) (coalmine_endpoint_link_calls_total)`,
          },
        }),
      ],
    },
    {
      title: 'Processes',
      panels: [
        wide({
          title: 'Event loop of the data processes',
          description: 'The worst one; beyond 250 ms predictions are refused.',
          unit: 's',
          thresholds: [0.1, 0.25],
          queries: { delay: 'coalmine_event_loop_delay_seconds' },
        }),
        wide({
          title: 'Heap of the data processes',
          description: 'The worst one; beyond 95 % predictions are refused.',
          unit: 'percentunit',
          thresholds: [0.8, 0.95],
          queries: { used: 'coalmine_heap_used_ratio' },
        }),
        wide({
          title: 'Connections',
          description: 'Of clients, and those that were one too many.',
          queries: {
            open: 'coalmine_connections',
            'dropped a second': `rate(coalmine_connections_dropped_total${RATE})`,
          },
        }),
        wide({
          title: 'Refused and unrouted',
          description: 'Requests that were not drawn, by reason.',
          unit: 'reqps',
          queries: {
            '{{reason}}': `sum by (reason) (rate(coalmine_unrouted_total${RATE}))`,
            shed: `rate(coalmine_shed_total${RATE})`,
          },
        }),
        wide({
          title: 'Memory of control',
          description: 'Resident.',
          unit: 'bytes',
          queries: { control: 'coalmine_control_process_resident_memory_bytes' },
        }),
        wide({
          title: 'What control could not do',
          description:
            'Turns that the store failed; lines of the log that nobody read; evidence dropped for all arms alike.',
          queries: {
            'failed turns': `rate(coalmine_rollout_tick_failures_total${RATE})`,
            'log lines': `rate(coalmine_log_lines_dropped_total${RATE})`,
          },
        }),
      ],
    },
  ],
}

const OF_MODEL = 'model="$model"'

/** One model: its versions side by side. */
const model: Dashboard = {
  uid: 'coalmine-model',
  title: 'Coalmine: model',
  variables: [MODEL],
  rows: [
    {
      title: 'Versions side by side',
      panels: [
        wide({
          title: 'Requests',
          description: 'First attempts by version and the arm that was drawn.',
          unit: 'reqps',
          queries: {
            '{{version}} {{arm}}': `sum by (version, arm) (rate(coalmine_requests_total{${OF_MODEL}}${RATE}))`,
          },
        }),
        wide({
          title: 'Errors',
          description: 'Share of the first attempts that failed, also where stable answered instead.',
          unit: 'percentunit',
          thresholds: [0.001, 0.01],
          queries: {
            '{{version}} {{arm}}': `(sum by (version, arm) (rate(coalmine_requests_total{${OF_MODEL}, ${ERRORS}}${RATE})) or 0 * sum by (version, arm) (rate(coalmine_requests_total{${OF_MODEL}}${RATE}))) / (sum by (version, arm) (rate(coalmine_requests_total{${OF_MODEL}}${RATE})) > 0)`,
          },
        }),
        wide({
          title: 'Latency, median',
          description: 'Of first attempts. Compare canary with baseline: equal shares, equal load.',
          unit: 's',
          queries: { '{{version}} {{arm}}': quantile(0.5, 'version, arm', OF_MODEL) },
        }),
        wide({
          title: 'Latency, p99',
          description: 'Of first attempts.',
          unit: 's',
          queries: { '{{version}} {{arm}}': quantile(0.99, 'version, arm', OF_MODEL) },
        }),
        wide({
          title: 'Mean score',
          description: 'Where the model has one.',
          queries: {
            '{{version}} {{arm}}': `sum by (version, arm) (rate(coalmine_score_sum{${OF_MODEL}}${RATE})) / (sum by (version, arm) (rate(coalmine_score_count{${OF_MODEL}}${RATE})) > 0)`,
          },
        }),
        wide({
          title: 'Outcomes',
          description: 'What became of first attempts.',
          unit: 'reqps',
          queries: {
            '{{version}} {{outcome}}': `sum by (version, outcome) (rate(coalmine_requests_total{${OF_MODEL}}${RATE}))`,
          },
        }),
        wide({
          title: 'What clients got',
          description: 'By status and the version that answered.',
          unit: 'reqps',
          queries: {
            '{{version}} {{code}}': `sum by (version, code) (rate(coalmine_responses_total{${OF_MODEL}}${RATE}))`,
          },
        }),
        wide({
          title: 'Endpoints',
          description: 'By health.',
          queries: { '{{version}} {{health}}': `coalmine_endpoints{${OF_MODEL}}` },
        }),
      ],
    },
    {
      title: 'Drift, over the last hour',
      panels: [
        wide({
          title: 'Against training',
          description:
            'Population stability index less its bias: about 0 where nothing moved, 0.2 is the usual point to act. Where there is none, fewer than 500 records were seen.',
          thresholds: [0.1, 0.2],
          queries: {
            '{{version}} {{field}}': `model_version_field:coalmine_drift_psi:increase1h{${OF_MODEL}, against="training"}`,
          },
        }),
        wide({
          title: 'Against the stable version',
          description:
            'What versions see and answer at the same time, in the bins of stable. Features that differ mean that the comparison is none of like with like.',
          thresholds: [0.1, 0.2],
          queries: {
            '{{version}} {{field}}': `model_version_field:coalmine_drift_psi:increase1h{${OF_MODEL}, against="stable"}`,
          },
        }),
        wide({
          title: 'Missing values',
          description: 'Share of the records without the value.',
          unit: 'percentunit',
          queries: {
            '{{version}} {{field}}': `model_version_field:coalmine_drift_missing_ratio:increase1h{${OF_MODEL}, kind="feature"}`,
          },
        }),
        wide({
          title: 'Categories that training had not',
          description: 'Share of the values.',
          unit: 'percentunit',
          thresholds: [0.005, 0.01],
          queries: {
            '{{version}} {{field}}': `model_version_field:coalmine_drift_unseen_ratio:increase1h{${OF_MODEL}, kind="feature"}`,
          },
        }),
      ],
    },
  ],
}

/** One rollout: the weights, the evidence, the verdicts. */
const rollout: Dashboard = {
  uid: 'coalmine-rollout',
  title: 'Coalmine: rollout',
  variables: [MODEL],
  rows: [
    {
      title: 'Where it is',
      panels: [
        {
          w: 24,
          h: 5,
          kind: 'state-timeline',
          title: 'Phase',
          description: 'The one that is 1.',
          queries: { '{{phase}}': `coalmine_rollout_phase{${OF_MODEL}}` },
        },
        wide({
          title: "The canary's share",
          description: 'As configured, and as the last minute had it.',
          unit: 'percentunit',
          queries: {
            configured: `coalmine_weight_configured{${OF_MODEL}, arm="canary"}`,
            seen: `coalmine_weight_observed{${OF_MODEL}, arm="canary"}`,
          },
        }),
        wide({
          title: 'Step',
          description: 'Of how many.',
          queries: {
            step: `coalmine_rollout_step{${OF_MODEL}}`,
            steps: `coalmine_rollout_steps{${OF_MODEL}}`,
          },
        }),
      ],
    },
    {
      title: 'The evidence',
      panels: [
        wide({
          title: 'Towards a rollback',
          description:
            'Evidence that the canary is worse than tolerated; 1 rolls back. Several guardrails together may do so before.',
          thresholds: [0.5, 1],
          queries: {
            '{{comparison}}': `coalmine_comparison_log_e_rollback{${OF_MODEL}} / coalmine_comparison_log_e_rollback_threshold{${OF_MODEL}}`,
          },
        }),
        wide({
          title: 'Towards the proof',
          description: 'Evidence that it is within its margin; 1 is enough for the whole rollout.',
          queries: {
            '{{comparison}}': `coalmine_comparison_log_e_promotion{${OF_MODEL}} / coalmine_comparison_log_e_promotion_threshold{${OF_MODEL}}`,
          },
        }),
        wide({
          title: 'Difference with its bounds',
          description: 'Canary minus stable; at any look 19 of 20 times between low and high.',
          unit: 'percentunit',
          queries: {
            '{{comparison}}': `coalmine_comparison_difference{${OF_MODEL}}`,
            '{{comparison}} low': `coalmine_comparison_difference_low{${OF_MODEL}}`,
            '{{comparison}} high': `coalmine_comparison_difference_high{${OF_MODEL}}`,
          },
        }),
        wide({
          title: 'Bounds of the policy',
          description: 'Tolerated, and asked to be proven.',
          unit: 'percentunit',
          queries: {
            '{{comparison}} tolerated': `coalmine_comparison_tolerate{${OF_MODEL}}`,
            '{{comparison}} margin': `coalmine_comparison_margin{${OF_MODEL}}`,
          },
        }),
        {
          w: 24,
          h: 6,
          kind: 'state-timeline',
          title: 'Verdicts',
          description: 'Of each guardrail and signal: the one that is 1.',
          queries: { '{{comparison}} {{verdict}}': `coalmine_comparison_verdict{${OF_MODEL}}` },
        },
        wide({
          title: 'Requests that it rests on',
          description: 'Of the canary, and of what it is compared with.',
          queries: { '{{comparison}} {{arm}}': `coalmine_comparison_samples{${OF_MODEL}}` },
        }),
        wide({
          title: 'Age of the evidence',
          description: 'No weight rises on old evidence.',
          unit: 's',
          thresholds: [30, 60],
          queries: { lag: `coalmine_evidence_lag_seconds{${OF_MODEL}}` },
        }),
      ],
    },
    {
      title: 'Canary beside baseline',
      panels: [
        wide({
          title: 'Latency, median and p95',
          description: 'Equal shares, equal load.',
          unit: 's',
          queries: {
            '{{arm}} p50': quantile(0.5, 'arm', `${OF_MODEL}, arm=~"baseline|canary|stable"`),
            '{{arm}} p95': quantile(0.95, 'arm', `${OF_MODEL}, arm=~"baseline|canary|stable"`),
          },
        }),
        wide({
          title: 'Decisions',
          description: 'Recorded changes, by kind.',
          queries: { '{{kind}} by {{actor_kind}}': `coalmine_decisions_total{${OF_MODEL}}` },
        }),
      ],
    },
  ],
}

export const DASHBOARDS: readonly Dashboard[] = [fleet, model, rollout]
