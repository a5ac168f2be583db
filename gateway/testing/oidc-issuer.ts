import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'

/** An OpenID Connect issuer on loopback: discovery, keys that rotate, tokens. */
export async function oidcIssuer() {
  let key = await newKey('first')
  let asked = 0
  const server = createServer((request, response) => {
    const isDiscovery = request.url === '/.well-known/openid-configuration'
    if (!isDiscovery) asked++
    const body = isDiscovery ? { issuer, jwks_uri: `${issuer}/keys` } : { keys: [key.jwk] }
    response.setHeader('content-type', 'application/json').end(JSON.stringify(body))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

  return {
    issuer,
    /** How often the keys were asked for. */
    asked: () => asked,
    /** From now on only this key is the issuer's. */
    async rotate(kid: string): Promise<void> {
      key = await newKey(kid)
    },
    /** A token for ann, an operator, for an hour, unless `claims` say otherwise. */
    token(claims: Record<string, unknown> = {}, kid = key.kid): Promise<string> {
      const now = Math.floor(Date.now() / 1000)
      const whole = {
        iss: issuer,
        aud: 'coalmine',
        sub: 'ann',
        roles: ['ops'],
        iat: now,
        exp: now + 3600,
        ...claims,
      }
      return new SignJWT(whole).setProtectedHeader({ alg: 'ES256', kid }).sign(key.privateKey)
    },
    async close(): Promise<void> {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}

async function newKey(kid: string) {
  const { publicKey, privateKey } = await generateKeyPair('ES256')
  return { kid, privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg: 'ES256', use: 'sig' } }
}
