/**
 * Whether a path of the build context is left out. The last pattern that matches the path or a folder above it
 * decides, and `!` brings back.
 *
 * @param ignoreFile the text of .dockerignore
 * @param path relative to the context, with `/`
 */
export function isIgnored(ignoreFile: string, path: string): boolean {
  let ignored = false
  for (const line of ignoreFile.split('\n').map((text) => text.trim())) {
    if (line === '' || line.startsWith('#')) continue
    const pattern = line.replace(/^!/, '')
    if (withParents(path).some((each) => expression(pattern).test(each))) ignored = !line.startsWith('!')
  }
  return ignored
}

/** `a/b/c` as `a`, `a/b`, `a/b/c`. */
function withParents(path: string): string[] {
  const names = path.split('/')
  return names.map((_, i) => names.slice(0, i + 1).join('/'))
}

/** `*` and `?` stay within a folder and match names that begin with a dot, which globs of shells do not. */
function expression(pattern: string): RegExp {
  const translated = pattern
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replace(
      /\*\*\/|\*\*|\*|\?/g,
      (glob) => ({ '**/': '(?:.*/)?', '**': '.*', '*': '[^/]*' })[glob] ?? '[^/]',
    )
  return new RegExp(`^${translated}$`)
}
