import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import type { Env, Hono } from 'hono'

/** The files of Swagger UI that the page needs; read once, served from memory, so no path can lead elsewhere. */
const ASSETS: Record<string, string> = {
  'swagger-ui.css': 'text/css; charset=utf-8',
  'swagger-ui-bundle.js': 'text/javascript; charset=utf-8',
}

/** Interactive documentation of one OpenAPI document, without a request to any other host. */
export function documentation<E extends Env>(
  app: Hono<E>,
  { at, title, openapi }: { at: string; title: string; openapi: string },
): void {
  const folder = dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'))
  const html = page(title, at, openapi)
  const start = `
document.documentElement.classList.toggle('dark-mode', matchMedia('(prefers-color-scheme: dark)').matches)
window.ui = SwaggerUIBundle({
  url: ${JSON.stringify(openapi)},
  dom_id: '#docs',
  deepLinking: true,
  tryItOutEnabled: true,
  defaultModelsExpandDepth: 0,
})
`
  const policy =
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'"
  app.get(at, (c) => c.html(html, 200, { 'content-security-policy': policy }))
  app.get(`${at}/start.js`, (c) => c.body(start, 200, { 'content-type': 'text/javascript; charset=utf-8' }))
  for (const [name, type] of Object.entries(ASSETS)) {
    let bytes: Uint8Array<ArrayBuffer> | undefined
    app.get(`${at}/${name}`, (c) => {
      bytes ??= new Uint8Array(readFileSync(join(folder, name)))
      return c.body(bytes, 200, { 'content-type': type, 'cache-control': 'max-age=86400' })
    })
  }
}

function page(title: string, at: string, openapi: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="${at}/swagger-ui.css">
</head>
<body>
<noscript>The description of this API is at <a href="${openapi}">${openapi}</a>.</noscript>
<div id="docs"></div>
<script src="${at}/swagger-ui-bundle.js"></script>
<script src="${at}/start.js"></script>
</body>
</html>
`
}
