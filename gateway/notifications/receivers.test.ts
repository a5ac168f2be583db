import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { receiver } from '../config/notification-schema.ts'
import { receiversOf } from './receivers.ts'

const folder = mkdtempSync(join(tmpdir(), 'coalmine-notifications-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const HOOK = 'http://127.0.0.1:1/hook'
const made = (written: object, env: Record<string, string> = {}) =>
  receiversOf([receiver.parse({ name: 'ops', ...written })], env).map(({ name }) => name)

describe('a receiver', () => {
  test('with its address, or with one from the environment or a file', () => {
    expect(made({ url: HOOK })).toEqual(['ops'])
    expect(made({ urlEnv: 'SLACK', format: 'slack' }, { SLACK: HOOK })).toEqual(['ops'])
    const file = join(folder, 'url')
    writeFileSync(file, `${HOOK}\n`)
    expect(made({ urlEnv: 'SLACK' }, { SLACK_FILE: file })).toEqual(['ops'])
  })

  test.each([
    [{ urlEnv: 'SLACK' }, {}, /notifications ops: urlEnv: expected SLACK or SLACK_FILE/],
    [{ url: HOOK, secretEnv: 'KEY' }, {}, /secretEnv: expected KEY or KEY_FILE/],
    [
      { url: HOOK, secretEnv: 'KEY' },
      { KEY_FILE: '/nowhere' },
      /KEY_FILE names a file that cannot be read \(ENOENT\)/,
    ],
    [
      { urlEnv: 'SLACK' },
      { SLACK: 'a-secret-that-is-no-address' },
      /^(?!.*a-secret).*expected an http or https address in SLACK/,
    ],
  ])('%j with %j is refused, and no secret is shown', (written, env, says) => {
    expect(() => made(written, env)).toThrow(says)
  })

  test.each([
    [{}, /one of url and urlEnv/],
    [{ url: HOOK, urlEnv: 'A' }, /one of url and urlEnv/],
    [{ url: HOOK, format: 'slack', secretEnv: 'KEY' }, /Slack checks no signature/],
    [{ url: HOOK, events: ['promotd'] }, /promoted/],
    [{ url: 'ftp://a' }, /url/],
    [{ url: HOOK, secret: 'x' }, /secret/],
  ])('%j is refused by its schema', (written, says) => {
    expect(() => made(written)).toThrow(says)
  })
})
