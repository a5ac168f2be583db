import { type Column, listed } from '../column.ts'
import { textOf } from './plain-values.ts'

/** Texts with more different values than this, or than one for two, lie one after the other. */
const DICTIONARY_MAX = 4_096

/** The different texts of a column, as they first came, and by row where its text stands. */
export interface TextDictionary {
  readonly texts: readonly string[]
  readonly indexes: Uint16Array
}

/** Of a column in which every row has a value. Undefined where too few texts repeat. */
export function dictionaryOf(column: Column): TextDictionary | undefined {
  if (column.kind === 'numbered') return undefined
  return column.kind === 'words' ? wordsInUse(column.words, column.places) : differentTexts(textsOf(column))
}

export function textsOf(column: Column): string[] {
  const values = listed(column)
  const texts = new Array<string>(values.length)
  for (let row = 0; row < texts.length; row++) texts[row] = textOf(values[row])
  return texts
}

function mostOf(rows: number): number {
  return Math.min(DICTIONARY_MAX, rows / 2)
}

function wordsInUse(words: readonly unknown[], places: Uint32Array): TextDictionary | undefined {
  const most = mostOf(places.length)
  if (words.length === 1 && most >= 1)
    return { texts: [textOf(words[0])], indexes: new Uint16Array(places.length) }
  const moved = new Int32Array(words.length).fill(-1)
  const texts: string[] = []
  const indexes = new Uint16Array(places.length)
  for (let row = 0; row < places.length; row++) {
    const place = places[row]!
    if (moved[place]! < 0) {
      if (texts.length + 1 > most) return undefined
      moved[place] = texts.push(textOf(words[place])) - 1
    }
    indexes[row] = moved[place]!
  }
  return texts.length === 0 ? undefined : { texts, indexes }
}

function differentTexts(values: readonly string[]): TextDictionary | undefined {
  const most = mostOf(values.length)
  const places = new Map<string, number>()
  const indexes = new Uint16Array(values.length)
  let [last, lastPlace] = ['', -1]
  for (let row = 0; row < values.length; row++) {
    const text = values[row]!
    if (text !== last || lastPlace < 0) {
      last = text
      lastPlace = places.get(text) ?? places.size
      if (lastPlace === places.size) {
        if (places.size + 1 > most) return undefined
        places.set(text, lastPlace)
      }
    }
    indexes[row] = lastPlace
  }
  return places.size === 0 ? undefined : { texts: [...places.keys()], indexes }
}
