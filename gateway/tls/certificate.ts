import { readFile } from 'node:fs/promises'
import { createSecureContext, type SecureContextOptions } from 'node:tls'
import { log } from '@coalmine/contract/log.ts'

/** Paths of PEM files: a certificate with its chain, and its private key. */
export interface CertificateFiles {
  readonly certificate: string
  readonly key: string
}

/** How often the files are looked at. */
const LOOK_MS = 10_000

/**
 * What a TLS server needs of the files.
 *
 * @param setting names them in messages, such as `tls.data`
 * Throws a sentence where they cannot be read or are no pair. It never holds anything of the key.
 */
export async function readCertificate(
  files: CertificateFiles,
  setting: string,
): Promise<SecureContextOptions> {
  // One after the other: of two that are missing the first is named, always.
  const cert = await read(files.certificate, `${setting}.certificate`)
  const key = await read(files.key, `${setting}.key`)
  const options: SecureContextOptions = { cert, key, minVersion: 'TLSv1.2' }
  try {
    // Node takes an empty text for none at all.
    if (cert.trim() === '' || key.trim() === '') throw new Error('nothing')
    createSecureContext(options)
  } catch (error) {
    const { code = 'no PEM' } = error as NodeJS.ErrnoException
    throw new Error(
      `${setting}: expected a PEM certificate and its private key without a passphrase, found none in ${files.certificate} and ${files.key} (${code})`,
    )
  }
  return options
}

/**
 * Reads the files again from time to time, and tells of each new pair that can be used. While they are being replaced,
 * or are broken, the pair before stays. Looking works on every mount; notifications do not.
 */
export function watchCertificate(
  files: CertificateFiles,
  setting: string,
  {
    last,
    onNew,
    lookMs = LOOK_MS,
  }: { last: SecureContextOptions; onNew: (pair: SecureContextOptions) => void; lookMs?: number },
): { close(): void } {
  let known = textOf(last)
  let problem = ''
  const look = async () => {
    try {
      const pair = await readCertificate(files, setting)
      problem = ''
      if (textOf(pair) === known) return
      known = textOf(pair)
      onNew(pair)
      log.info('a new certificate is in force', { setting })
    } catch (error) {
      const { message } = error as Error
      if (message !== problem) log.error('the certificate before stays in force', { problem: message })
      problem = message
    }
  }
  const timer = setInterval(() => void look(), lookMs).unref()
  return { close: () => clearInterval(timer) }
}

function textOf({ cert, key }: SecureContextOptions): string {
  return `${cert}\n${key}`
}

async function read(path: string, setting: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    throw new Error(`${setting}: ${path} cannot be read (${(error as NodeJS.ErrnoException).code})`)
  }
}
