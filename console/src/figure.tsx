import { useEffect, useRef, useState } from 'preact/hooks'

/** A chart that is as wide as its place. `says` is what it shows, in words. */
export function Figure({ says, draw }: { says: string; draw: (width: number) => Element }) {
  const place = useRef<HTMLDivElement>(null)
  const [width, setWidth] = useState(0)
  useEffect(() => {
    const observer = new ResizeObserver(([entry]) => setWidth(Math.floor(entry!.contentRect.width)))
    observer.observe(place.current!)
    return () => observer.disconnect()
  }, [])
  useEffect(() => {
    if (width > 0) place.current!.replaceChildren(silent(draw(width)))
  }, [width, draw])
  return <div class="figure" role="img" aria-label={says} ref={place} />
}

/** What it shows is said once, in words: without the names that a chart gives to its parts. */
function silent(chart: Element): Element {
  for (const part of chart.querySelectorAll('[aria-label]')) part.removeAttribute('aria-label')
  chart.setAttribute('aria-hidden', 'true')
  return chart
}
