import { readFile } from 'node:fs/promises'
import { extname, join, normalize, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Env, Hono } from 'hono'
import { compress } from 'hono/compress'

/** Where `npm run build -w console` leaves the page. */
const BUILT = fileURLToPath(new URL('../../../console/dist', import.meta.url))

const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
}

/** Nothing from elsewhere, no inline script, no frame around it. Styles of charts are attributes. */
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"

/** The operators' page: static files, which hold no secret. What it shows it asks of the API like anybody. */
export function consoleFiles<E extends Env>(app: Hono<E>, folder: string = BUILT): void {
  app.get('/', (c) => c.redirect('/console/'))
  app.get('/console', (c) => c.redirect('/console/'))
  // A third of its size: the first load is often over a phone.
  app.use('/console/assets/*', compress())
  app.get('/console/*', async (c) => {
    const name = decodeURIComponent(c.req.path.slice('/console/'.length)) || 'index.html'
    const file = normalize(join(folder, name))
    const type = TYPES[extname(file)]
    const bytes = file.startsWith(folder + sep) && type !== undefined ? await contents(file) : undefined
    if (bytes === undefined)
      return c.text(
        name === 'index.html'
          ? 'the console is not built: npm run build -w console'
          : 'there is no such file in the console',
        404,
      )
    // Names of assets change with their contents; the page itself is asked for anew.
    const isAsset = name.startsWith('assets/')
    return c.body(new Uint8Array(bytes), 200, {
      'content-type': type!,
      'cache-control': isAsset ? 'public, max-age=31536000, immutable' : 'no-cache',
      'content-security-policy': POLICY,
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
    })
  })
}

function contents(file: string): Promise<Buffer | undefined> {
  return readFile(file).catch(() => undefined)
}
