// Answers of an IMAP server as values, however they were written: strings quoted or as literals, lists, NIL, atoms.

export type Value = string | null | readonly Value[] | { readonly atom: string }

/** The items of `* n FETCH (…)`, by their names in capitals. Text of one character a byte. */
export function fetched(line: string): ReadonlyMap<string, Value> {
  const reader = new Reader(line, line.indexOf('FETCH (') + 6)
  const items = new Map<string, Value>()
  reader.open()
  while (!reader.closed()) {
    const name = reader.itemName()
    items.set(name.toUpperCase(), reader.value())
  }
  return items
}

class Reader {
  readonly #text: string
  #at: number
  constructor(text: string, at: number) {
    this.#text = text
    this.#at = at
  }

  open(): void {
    if (this.#text[this.#at] !== '(') throw new Error(`Expected ( in ${this.#text.slice(this.#at, this.#at + 80)}`)
    this.#at++
  }

  closed(): boolean {
    while (this.#text[this.#at] === ' ') this.#at++
    if (this.#text[this.#at] !== ')') return false
    this.#at++
    return true
  }

  /** `BODY[HEADER.FIELDS (To)]<0>` is one name. */
  itemName(): string {
    const found = /[A-Za-z0-9.]+(?:\[[^\]]*\])?(?:<\d+>)?/y
    found.lastIndex = this.#at
    const [name = ''] = found.exec(this.#text) ?? []
    this.#at += name.length + 1
    return name
  }

  value(): Value {
    const char = this.#text[this.#at]
    if (char === '(') {
      this.#at++
      const values: Value[] = []
      while (!this.closed()) values.push(this.value())
      return values
    }
    if (char === '"') return this.#quoted()
    const literal = /~?\{(\d+)\}\r\n/y
    literal.lastIndex = this.#at
    const found = literal.exec(this.#text)
    if (found) {
      const start = literal.lastIndex
      this.#at = start + Number(found[1])
      return this.#text.slice(start, this.#at)
    }
    const atom = /[^ ()]*/y
    atom.lastIndex = this.#at
    const [text = ''] = atom.exec(this.#text) ?? []
    if (text === '') throw new Error(`No value in ${JSON.stringify(this.#text.slice(this.#at, this.#at + 80))}`)
    this.#at += text.length
    return text.toUpperCase() === 'NIL' ? null : { atom: text }
  }

  #quoted(): string {
    let text = ''
    for (this.#at++; this.#text[this.#at] !== '"'; this.#at++) {
      if (this.#text[this.#at] === '\\') this.#at++
      if (this.#at >= this.#text.length) throw new Error('A quoted string does not end')
      text += this.#text[this.#at]
    }
    this.#at++
    return text
  }
}
