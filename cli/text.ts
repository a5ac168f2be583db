import { styleText } from 'node:util'

type Style = Parameters<typeof styleText>[0]

/** Colours where they are wanted: on a terminal, and not where NO_COLOR asks for none. */
export function paint(style: Style, text: string, stream: NodeJS.WriteStream = process.stdout): string {
  return styleText(style, text, { stream })
}

/** 90 s, 12 min, 3.5 h, 2 d. */
export function durationText(seconds: number): string {
  if (seconds < 120) return `${Math.round(seconds)} s`
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min`
  if (seconds < 172_800) return `${Number((seconds / 3600).toFixed(1))} h`
  return `${Number((seconds / 86_400).toFixed(1))} d`
}

export function since(instant: string, nowMs: number): string {
  return durationText(Math.max(0, (nowMs - Date.parse(instant)) / 1000))
}

export function percentText(percent: number): string {
  return `${Number(percent.toFixed(2))} %`
}

/** Columns as wide as their widest cell; escapes of colours have no width. */
export function columns(rows: readonly (readonly string[])[]): string[] {
  const width = (cell: string) => cell.replaceAll(ESCAPES, '').length
  const widths: number[] = []
  for (const row of rows)
    row.forEach((cell, i) => {
      widths[i] = Math.max(widths[i] ?? 0, width(cell))
    })
  return rows.map((row) =>
    row
      .map((cell, i) => (i === row.length - 1 ? cell : cell + ' '.repeat(widths[i]! - width(cell))))
      .join('  ')
      .trimEnd(),
  )
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: that is how an escape begins
const ESCAPES = /\x1b\[[0-9;]*m/g
