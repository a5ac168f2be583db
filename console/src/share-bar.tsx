import { percent } from './words.ts'

/** Who gets how much. */
export function ShareBar({
  stable,
  canary,
  percent: share,
}: {
  stable: string
  canary?: string | undefined
  percent: number
}) {
  return (
    <div class="share">
      <div class="share-bar" aria-hidden="true">
        <i style={{ flexGrow: 100 - share }} class="stable" />
        {canary !== undefined && share > 0 && <i style={{ flexGrow: share }} class="canary" />}
      </div>
      <div class="share-words">
        <span>
          <i class="dot stable" /> {stable} <b>{percent(100 - share)}</b>
        </span>
        {canary !== undefined && (
          <span>
            <i class="dot canary" /> {canary} <b>{percent(share)}</b>
          </span>
        )}
      </div>
    </div>
  )
}
