/** How much of the evidence that is asked for is there: 1 is there. */
export function Meter({ label, tone, value }: { label: string; tone: 'good' | 'bad'; value: number }) {
  const share = Math.max(0, Math.min(1, value))
  return (
    <div class="meter">
      <span>{label}</span>
      {/* biome-ignore lint/a11y/useSemanticElements: a meter element cannot be coloured in every browser */}
      <div
        role="meter"
        aria-label={`evidence ${label}`}
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={Math.round(share * 100)}
      >
        <i class={tone} style={{ width: `${share * 100}%` }} />
      </div>
      <span class="number">{Math.round(share * 100)} %</span>
    </div>
  )
}
