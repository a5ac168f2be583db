import { randomUUID, X509Certificate } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { generate } from 'selfsigned'
import type { CertificateFiles } from '../tls/certificate.ts'

/** A new self-signed certificate for localhost, with its key. */
export async function newCertificate() {
  // Whoever trusts several tells them apart by their names.
  const { cert, private: key } = await generate([{ name: 'commonName', value: randomUUID() }], {
    keyType: 'ec',
    extensions: [
      {
        name: 'subjectAltName',
        altNames: [
          { type: 2, value: 'localhost' },
          { type: 7, ip: '127.0.0.1' },
        ],
      },
    ],
  })
  return { cert, key, fingerprint: new X509Certificate(cert).fingerprint256 }
}

/** Files of a certificate in a folder, which another can take the place of. */
export function certificateFiles(
  folder: string,
): CertificateFiles & { write(pair: { cert: string; key: string }): void } {
  const [certificate, key] = [join(folder, 'tls.crt'), join(folder, 'tls.key')]
  return {
    certificate,
    key,
    write(pair) {
      writeFileSync(certificate, pair.cert)
      writeFileSync(key, pair.key, { mode: 0o600 })
    },
  }
}
