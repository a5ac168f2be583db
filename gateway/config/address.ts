/** `127.0.0.1:8080`, `localhost:0`, `[::1]:8080`; undefined for anything else. */
export function address(text: string): { host: string; port: number } | undefined {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9._-]+)):(\d{1,5})$/.exec(text)
  if (!match) return undefined
  const port = Number(match[3])
  return port <= 65_535 ? { host: (match[1] ?? match[2])!, port } : undefined
}

/** An origin: where an endpoint listens, without path, credentials or anything else. */
export function origin(text: string): string | undefined {
  if (!URL.canParse(text)) return undefined
  const url = new URL(text)
  const bare = url.href === `${url.origin}/`
  return bare && (url.protocol === 'http:' || url.protocol === 'https:') ? url.origin : undefined
}

/** Whether only programs on this machine reach an address. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host)
}
