import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'

/** All addresses of a host name; rejects as `dns.lookup` does. */
export type AddressesOf = (name: string) => Promise<{ address: string; family: number }[]>

const systemAddresses: AddressesOf = (name) => lookup(name, { all: true })

/**
 * The addresses behind a URL: a DNS name with several is as many endpoints, such as a headless service.
 * @returns origins with the address in place of the name; throws as `dns.lookup` does
 */
export async function resolveOrigins(
  url: string,
  addressesOf: AddressesOf = systemAddresses,
): Promise<string[]> {
  const { protocol, hostname, port } = new URL(url)
  const bare = hostname.replace(/^\[|\]$/g, '')
  // A certificate is for the name, so TLS endpoints keep it and count as one.
  if (isIP(bare) || protocol === 'https:') return [new URL(url).origin]
  const found = await addressesOf(bare)
  const unique = [...new Set(found.map(({ address, family }) => (family === 6 ? `[${address}]` : address)))]
  return unique.sort().map((address) => `${protocol}//${address}${port ? `:${port}` : ''}`)
}
