/** One target of a benchmark with what was measured. `target` is the condition as people write it: `>= 4`. */
export interface Row {
  name: string
  figure: number
  target: string
  pass: boolean
}

/** A measured figure without a target. */
export interface Information {
  name: string
  figure: number
  unit: string
}

export interface Report {
  /** Header and cells, as printed. */
  table: string[][]
  /** What a reader must know to read the table; one line each. */
  notes: string[]
  rows: Row[]
  information: Information[]
}

/** No verdict is possible: a tool is missing, a peer answered wrongly, the load generator was the limit. */
export class NoVerdict extends Error {
  override name = 'NoVerdict'
}

const CONDITIONS = {
  '>=': (figure: number, bound: number) => figure >= bound,
  '<=': (figure: number, bound: number) => figure <= bound,
  '<': (figure: number, bound: number) => figure < bound,
  '>': (figure: number, bound: number) => figure > bound,
}

/** Compares a figure with its bound. A figure that is not finite never passes. */
export function judged(name: string, figure: number, condition: keyof typeof CONDITIONS, bound: number): Row {
  const pass = Number.isFinite(figure) && CONDITIONS[condition](figure, bound)
  return { name, figure, target: `${condition} ${bound}`, pass }
}

/** `pass` or `FALLS SHORT` with name, figure and target. */
export function verdictLine({ name, figure, target, pass }: Row): string {
  return `${pass ? 'pass       ' : 'FALLS SHORT'}  ${name}: ${numeral(figure)} (target ${target})`
}

/** Columns as wide as their widest cell; the first is set left, the others right. */
export function tableText(table: readonly (readonly string[])[]): string {
  const widths = (table[0] ?? []).map((_, column) =>
    Math.max(...table.map((row) => (row[column] ?? '').length)),
  )
  const line = (row: readonly string[]) =>
    widths
      .map((width, column) =>
        column === 0 ? (row[0] ?? '').padEnd(width) : (row[column] ?? '').padStart(width),
      )
      .join('  ')
      .trimEnd()
  return table.map(line).join('\n')
}

/** Whole numbers whole, others with about three digits, never an exponent: 20, 0.0123, 4.52, 21,990. */
export function numeral(value: number): string {
  if (!Number.isFinite(value)) return String(value)
  const size = Math.abs(value)
  const digits = Number.isInteger(value) || size >= 100 ? 0 : Math.max(0, 2 - Math.floor(Math.log10(size)))
  return value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits })
}
