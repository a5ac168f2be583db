import { signal } from '@preact/signals'

/** Where in the console: the parts of the address behind `#/`. Every page has an address that stays. */
export const place = signal(read())

window.addEventListener('hashchange', () => {
  place.value = read()
  window.scrollTo(0, 0)
  document.getElementById('main')?.focus({ preventScroll: true })
})

function read(): string[] {
  return location.hash.replace(/^#\/?/, '').split('/').filter(Boolean).map(decodeURIComponent)
}

export function link(...parts: (string | number)[]): string {
  return `#/${parts.map((part) => encodeURIComponent(part)).join('/')}`
}
