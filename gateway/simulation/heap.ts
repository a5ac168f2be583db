/** What is due first comes out first; what is due at once in the order in which it came. */
export class Heap<T extends { readonly atMs: number }> {
  readonly #items: { readonly order: number; readonly item: T }[] = []
  #order = 0

  get nextMs(): number {
    return this.#items[0]?.item.atMs ?? Number.POSITIVE_INFINITY
  }

  push(item: T): void {
    const items = this.#items
    let at = items.push({ order: this.#order++, item }) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!this.#before(at, parent)) return
      this.#swap(at, parent)
      at = parent
    }
  }

  pop(): T | undefined {
    const items = this.#items
    const first = items[0]
    const last = items.pop()
    if (first === undefined || last === undefined) return undefined
    if (first !== last) {
      items[0] = last
      this.#sink()
    }
    return first.item
  }

  #sink(): void {
    let at = 0
    for (;;) {
      let least = at
      for (const child of [2 * at + 1, 2 * at + 2])
        if (child < this.#items.length && this.#before(child, least)) least = child
      if (least === at) return
      this.#swap(at, least)
      at = least
    }
  }

  #before(a: number, b: number): boolean {
    const [x, y] = [this.#items[a]!, this.#items[b]!]
    return x.item.atMs < y.item.atMs || (x.item.atMs === y.item.atMs && x.order < y.order)
  }

  #swap(a: number, b: number): void {
    const items = this.#items
    ;[items[a], items[b]] = [items[b]!, items[a]!]
  }
}
