import { createHmac } from 'node:crypto'
import type { Notice } from './notice.ts'

export const FORMATS = ['json', 'cloudevents', 'slack'] as const
export type Format = (typeof FORMATS)[number]

export interface Message {
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/**
 * A notice in a receiver's format. With a secret it is signed as Standard Webhooks have it
 * (https://www.standardwebhooks.com): base64 HMAC-SHA256 of `id.timestamp.body` after `v1,`.
 *
 * @param nowMs when it is sent: receivers refuse what is old
 */
export function messageOf(
  notice: Notice,
  format: Format,
  secret: string | undefined,
  nowMs: number,
): Message {
  const body = JSON.stringify(contentOf(notice, format))
  const type = format === 'cloudevents' ? 'application/cloudevents+json' : 'application/json'
  const timestamp = `${Math.floor(nowMs / 1000)}`
  const signed = secret === undefined ? undefined : signature(secret, notice.id, timestamp, body)
  return {
    body,
    headers: {
      'content-type': type,
      'user-agent': 'coalmine',
      'webhook-id': notice.id,
      'webhook-timestamp': timestamp,
      ...(signed && { 'webhook-signature': signed }),
    },
  }
}

export function signature(secret: string, id: string, timestamp: string, body: string): string {
  return `v1,${createHmac('sha256', secret).update(`${id}.${timestamp}.${body}`).digest('base64')}`
}

const ICONS: Partial<Record<Notice['kind'], string>> = {
  promoted: ':white_check_mark:',
  'rolled-back': ':x:',
  held: ':warning:',
  'approval-needed': ':raised_hand:',
  invalid: ':warning:',
  drifted: ':warning:',
}

function contentOf({ id, kind, atMs, model, says, facts }: Notice, format: Format): object {
  const time = new Date(atMs).toISOString()
  switch (format) {
    case 'json':
      return { id, type: kind, time, text: says, ...facts }
    case 'cloudevents':
      return {
        specversion: '1.0',
        id,
        source: '/coalmine',
        type: `dev.coalmine.rollout.${kind}`,
        ...(model !== undefined && { subject: model }),
        time,
        datacontenttype: 'application/json',
        data: { text: says, ...facts },
      }
    case 'slack':
      return { text: [ICONS[kind], escaped(says)].filter(Boolean).join(' ') }
  }
}

/** Slack takes three characters for its own. */
function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
