/*
 * The few shapes that the pictures are made of, as strings of SVG. A picture is 720 wide and is shown at half of that on
 * a phone, so nothing is written smaller than 20. Colours are classes: `fill-good`, `line-bad`; each has a light and a
 * dark value, and the picture paints its own page, as a viewer's theme and the page around it need not agree.
 */

export const WIDTH = 720

/** Light, then dark. Blue and orange are told apart by everybody (Okabe and Ito). */
const COLOURS = {
  page: ['#ffffff', '#0d1117'],
  ink: ['#1f2328', '#e6edf3'],
  muted: ['#57606a', '#9da7b3'],
  grid: ['#d8dee4', '#30363d'],
  good: ['#0069a8', '#5ab4f0'],
  bad: ['#b84300', '#ff9a57'],
} as const

export type Colour = keyof typeof COLOURS

/** A text, or shapes one after the other. */
export type Shape = string

export interface Document {
  /** For those who cannot see it: what it is, and what it shows. */
  readonly title: string
  readonly description: string
  readonly height: number
  readonly shapes: readonly Shape[]
}

export function svg({ title, description, height, shapes }: Document): string {
  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-labelledby="title description">`,
    `<title id="title">${escaped(title)}</title>`,
    `<desc id="description">${escaped(description)}</desc>`,
    `<style>${STYLE}</style>`,
    `<rect class="fill-page" width="${WIDTH}" height="${height}" rx="8"/>`,
    ...shapes,
    '</svg>',
  ].join('\n')}\n`
}

const rules = (theme: 0 | 1) =>
  Object.entries(COLOURS)
    .map(([name, values]) => `.fill-${name}{fill:${values[theme]}}.line-${name}{stroke:${values[theme]}}`)
    .join('')

const STYLE = [
  'text{font:20px system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}',
  '.heading{font-weight:600;font-size:22px}',
  '.strong,.afloat{font-weight:600}',
  '.afloat{paint-order:stroke;stroke-width:6px;stroke-linejoin:round}',
  'path,line{fill:none;stroke-width:2;stroke-linejoin:round}',
  rules(0),
  `@media (prefers-color-scheme:dark){${rules(1)}}`,
].join('')

export interface TextStyle {
  readonly colour?: Colour
  readonly anchor?: 'start' | 'middle' | 'end'
  /** `afloat`: with a rim of the page's colour, to be read where lines run below it. */
  readonly weight?: 'heading' | 'strong' | 'afloat'
}

/** Text on a baseline at y. */
export function text(
  x: number,
  y: number,
  content: string,
  { colour = 'ink', anchor = 'start', weight }: TextStyle = {},
): Shape {
  const classes = [
    `fill-${colour}`,
    ...(weight ? [weight] : []),
    ...(weight === 'afloat' ? ['line-page'] : []),
  ].join(' ')
  return `<text class="${classes}" x="${short(x)}" y="${short(y)}" text-anchor="${anchor}">${escaped(content)}</text>`
}

export interface LineStyle {
  readonly colour: Colour
  readonly width?: number
  readonly opacity?: number
  readonly dashes?: boolean
}

export type Point = readonly [x: number, y: number]

export function polyline(
  points: readonly Point[],
  { colour, width, opacity, dashes = false }: LineStyle,
): Shape {
  const path = points.map(([x, y], i) => `${i === 0 ? 'M' : 'L'}${short(x)} ${short(y)}`).join('')
  const style = [
    ...(width === undefined ? [] : [`stroke-width:${width}`]),
    ...(opacity === undefined ? [] : [`opacity:${opacity}`]),
    ...(dashes ? ['stroke-dasharray:8 6'] : []),
  ].join(';')
  return `<path class="line-${colour}"${style === '' ? '' : ` style="${style}"`} d="${path}"/>`
}

/** The area between two lines. */
export function band(
  upper: readonly Point[],
  lower: readonly Point[],
  colour: Colour,
  opacity: number,
): Shape {
  const path = [...upper, ...lower.toReversed()].map(([x, y]) => `${short(x)} ${short(y)}`).join('L')
  return `<path class="fill-${colour}" style="opacity:${opacity};fill-rule:nonzero" d="M${path}Z"/>`
}

export function rectangle(
  x: number,
  y: number,
  width: number,
  height: number,
  colour: Colour,
  opacity = 1,
): Shape {
  return `<rect class="fill-${colour}" opacity="${opacity}" x="${short(x)}" y="${short(y)}" width="${short(width)}" height="${short(height)}"/>`
}

/** With a rim of the page's colour, so that it stands out from lines. */
export function dot([x, y]: Point, colour: Colour, radius = 6): Shape {
  return `<circle class="fill-${colour} line-page" stroke-width="2" cx="${short(x)}" cy="${short(y)}" r="${radius}"/>`
}

/** From values to coordinates; values beyond the ends lie on them. */
export type Scale = (value: number) => number

export function linear(from: number, to: number, start: number, end: number): Scale {
  return (value) => start + (end - start) * within01((value - from) / (to - from))
}

export function logarithmic(from: number, to: number, start: number, end: number): Scale {
  const at = linear(Math.log(from), Math.log(to), start, end)
  return (value) => at(Math.log(value))
}

/** A horizontal grid line with its label left of it, in front of `left`. */
export function level(y: number, left: number, right: number, label: string): Shape {
  return [
    polyline(
      [
        [left, y],
        [right, y],
      ],
      { colour: 'grid', width: 1 },
    ),
    text(left - 10, y + 7, label, { colour: 'muted', anchor: 'end' }),
  ].join('\n')
}

/** Labels below an axis at y. */
export function ticks(y: number, x: Scale, labelled: readonly (readonly [number, string])[]): Shape {
  return labelled
    .map(([value, label]) => text(x(value), y + 26, label, { colour: 'muted', anchor: 'middle' }))
    .join('\n')
}

const within01 = (share: number) => Math.min(1, Math.max(0, share))

const short = (coordinate: number) => String(Math.round(coordinate * 10) / 10)

function escaped(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
}
