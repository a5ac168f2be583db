/** Between the columns of a CSV unless said. */
export const COMMA = ','

/** What the delimiter that somebody writes is, `tab` by its name; undefined for what cannot be one. */
export function delimiterOf(written: string): string | undefined {
  if (written === 'tab' || written === '\t') return '\t'
  // Values hold letters, digits, points, signs and spaces, and a quote begins one.
  return /^[!#$%&*/:;<=>?@^|~,]$/.test(written) ? written : undefined
}
