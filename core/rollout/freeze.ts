/** The global brake: while it holds, no canary weight rises anywhere. */
export type Freeze =
  | { readonly frozen: false }
  | { readonly frozen: true; readonly reason: string; readonly actor: string; readonly sinceMs: number }

export interface FreezeEvent {
  readonly kind: 'frozen' | 'unfrozen'
  readonly actor: string
  readonly reason: string
  readonly because: string
  readonly atMs: number
}

export interface FreezeChange {
  readonly next: Freeze
  readonly event: FreezeEvent
}

/** Sets or lifts the brake; undefined when it already is that way. */
export function setFreeze(
  freeze: Freeze,
  frozen: boolean,
  { actor, reason, nowMs }: { actor: string; reason: string; nowMs: number },
): FreezeChange | undefined {
  if (freeze.frozen === frozen) return undefined
  if (frozen)
    return {
      next: { frozen, reason, actor, sinceMs: nowMs },
      event: {
        kind: 'frozen',
        actor,
        reason,
        because: 'no canary weight rises until this ends',
        atMs: nowMs,
      },
    }
  return {
    next: { frozen },
    event: { kind: 'unfrozen', actor, reason, because: 'canary weights may rise again', atMs: nowMs },
  }
}
