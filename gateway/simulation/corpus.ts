/** Lives in which a fault was found once, or is found when it is put back, and what it was. They are lived at every test. */
export const CORPUS: readonly (readonly [seed: number, found: string])[] = [
  [8, 'a canary was held for want of requests that nobody had listened to'],
  [35, 'it was rolled back for that after a restart'],
  [141, 'a clock an hour ahead did so, too'],
  [121, 'a store that was away while a canary was taken out ended the control process'],
  [111, 'an answer of the store that was overtaken by a commit brought an old table back'],
  [24, 'a recorder that was given up did not hear of it, and nothing was learned any more'],
]
