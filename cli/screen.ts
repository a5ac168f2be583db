/** Where something that changes is shown. */
export interface Screen {
  /** The view as it is now; drawn over the one before, on a terminal alone. */
  draw(lines: () => readonly string[]): void
  /** Something that happened; a line of its own where there is no terminal. */
  line(text: string, json: unknown): void
  /** The last view stays. */
  close(): void
}

/** On a terminal a view that is drawn in place; in a pipe a line for each thing that happens, as JSON where wanted. */
export function screen(stream: NodeJS.WriteStream, isJson: boolean): Screen {
  if (!stream.isTTY || isJson)
    return {
      draw() {},
      line: (text, json) => void stream.write(`${isJson ? JSON.stringify(json) : text}\n`),
      close() {},
    }
  let drawn = 0
  let isOpen = true
  stream.write('\x1b[?25l')
  return {
    draw(lines) {
      // A terminal that does not tell its size says 0 rows. A view that is taller than the terminal would scroll, and could not be drawn over.
      const fitting = lines().slice(0, Math.max(1, (stream.rows || 24) - 1))
      const text = fitting.map((line) => `\x1b[2K${line}\n`).join('')
      stream.write(`${drawn > 0 ? `\x1b[${drawn}A` : ''}\x1b[?7l${text}\x1b[?7h\x1b[J`)
      drawn = fitting.length
    },
    line() {},
    close() {
      if (isOpen) stream.write('\x1b[?25h')
      isOpen = false
    },
  }
}
