/** What a person sees of one question, and where it lies: `w` of 24 columns, `h` rows. */
export interface Panel {
  title: string
  /** What to make of it. */
  description: string
  kind?: 'timeseries' | 'stat' | 'state-timeline'
  unit?: 'reqps' | 'percentunit' | 's' | 'short' | 'bytes'
  /** PromQL by legend. */
  queries: Record<string, string>
  w: number
  h: number
  /** Where green ends: at amber and at red. */
  thresholds?: [amber: number, red: number]
}

interface Row {
  title: string
  panels: Panel[]
}

export interface Dashboard {
  uid: string
  title: string
  /** Template variables, each the values of a label of a metric. */
  variables: { name: string; metric: string; label: string; of?: string }[]
  rows: Row[]
}

const SOURCE = { type: 'prometheus', uid: 'coalmine' }

/** The dashboard as Grafana provisions it. */
export function grafanaOf({ uid, title, variables, rows }: Dashboard): object {
  let id = 0
  let y = 0
  const panels: object[] = []
  for (const row of rows) {
    panels.push({
      id: ++id,
      type: 'row',
      title: row.title,
      collapsed: false,
      panels: [],
      gridPos: { x: 0, y: y++, w: 24, h: 1 },
    })
    let x = 0
    let height = 0
    for (const panel of row.panels) {
      if (x + panel.w > 24) {
        x = 0
        y += height
        height = 0
      }
      panels.push({ id: ++id, ...panelOf(panel), gridPos: { x, y, w: panel.w, h: panel.h } })
      x += panel.w
      height = Math.max(height, panel.h)
    }
    y += height
  }
  return {
    uid,
    title,
    tags: ['coalmine'],
    schemaVersion: 41,
    editable: false,
    graphTooltip: 1,
    refresh: '10s',
    time: { from: 'now-1h', to: 'now' },
    timezone: 'browser',
    links: [
      {
        type: 'dashboards',
        title: 'Coalmine',
        tags: ['coalmine'],
        asDropdown: false,
        includeVars: true,
        keepTime: true,
      },
    ],
    templating: {
      list: variables.map(({ name, metric, label, of }) => ({
        type: 'query',
        name,
        label: name,
        datasource: SOURCE,
        query: { query: `label_values(${metric}${of ?? ''}, ${label})`, refId: name },
        refresh: 2,
        sort: 1,
        current: {},
      })),
    },
    annotations: {
      list: [
        {
          name: 'Decisions',
          datasource: SOURCE,
          enable: true,
          iconColor: 'yellow',
          expr: 'sum by (model, kind) (changes(coalmine_decisions_total[1m])) > 0',
          titleFormat: '{{kind}}',
          textFormat: '{{model}}',
          step: '15s',
        },
      ],
    },
    panels,
  }
}

function panelOf({
  title,
  description,
  kind = 'timeseries',
  unit = 'short',
  queries,
  thresholds,
}: Panel): object {
  const steps = [
    { color: 'green', value: null },
    ...(thresholds
      ? [
          { color: 'orange', value: thresholds[0] },
          { color: 'red', value: thresholds[1] },
        ]
      : []),
  ]
  return {
    type: kind,
    title,
    description,
    datasource: SOURCE,
    fieldConfig: {
      defaults: {
        unit,
        thresholds: { mode: 'absolute', steps },
        ...(kind === 'timeseries' && {
          custom: {
            lineWidth: 2,
            fillOpacity: 8,
            showPoints: 'never',
            thresholdsStyle: { mode: thresholds ? 'dashed' : 'off' },
          },
        }),
        ...(kind === 'stat' && { color: { mode: 'thresholds' } }),
      },
      overrides: [],
    },
    options:
      kind === 'timeseries'
        ? {
            legend: { displayMode: 'table', placement: 'bottom', calcs: ['lastNotNull', 'max'] },
            tooltip: { mode: 'multi', sort: 'desc' },
          }
        : kind === 'stat'
          ? { reduceOptions: { calcs: ['lastNotNull'] }, colorMode: 'value', graphMode: 'area' }
          : { showValue: 'auto', mergeValues: true, legend: { displayMode: 'list', placement: 'bottom' } },
    targets: Object.entries(queries).map(([legend, expr], i) => ({
      refId: String.fromCharCode(65 + i),
      datasource: SOURCE,
      expr,
      legendFormat: legend,
    })),
  }
}
