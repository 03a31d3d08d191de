// SPDX-License-Identifier: Apache-2.0

import ModelFiles

/// Merges the bytes of one piece of text into tokens, the earliest-learned pair first.
struct BytePairEncoder: Sendable {
    struct Merge: Sendable {
        let rank: Int
        let id: Int
    }

    fileprivate struct Pair: Hashable, Sendable {
        let left, right: Int
    }

    /// A possible merge of the symbol at `position` with its successor.
    private struct Candidate {
        let rank, position, id: Int
    }

    private struct Symbol {
        var id: Int
        var previous, next: Int
        var isMerged = false
    }

    struct Merges: Sendable {
        fileprivate var table: [Pair: Merge] = [:]
    }

    private static let endOfWord = "</w>"

    /// Ids of single bytes inside a piece, and of those that end one.
    private let inner, final: [Int]
    private let merges: [Pair: Merge]

    init(_ vocabulary: TokenVocabulary, merges: Merges, unknown: Int) {
        inner = ByteAlphabet.characters.map { vocabulary.id(of: String($0)) ?? unknown }
        final = ByteAlphabet.characters.map { vocabulary.id(of: String($0) + Self.endOfWord) ?? unknown }
        self.merges = merges.table
    }

    /// Reads `merges.txt`: after a `#version` line, one pair of tokens a line, in the order they were learned.
    static func readMerges(path: String, _ vocabulary: TokenVocabulary) throws(ModelFileError) -> Merges {
        let file = try MappedFile(path: path)
        guard file.count <= 64 << 20 else {
            throw ModelFileError(.unsupported, "has \(file.count) bytes; a merges file has fewer", path: path)
        }
        var merges = Merges()
        var rank = 0
        for (index, var line) in file.bytes(0..<file.count).split(separator: 0x0A, omittingEmptySubsequences: false).enumerated() {
            if line.last == 0x0D { line.removeLast() }
            if line.isEmpty || line.starts(with: "#version".utf8) { continue }
            let parts = line.split(separator: 0x20, omittingEmptySubsequences: false).map { String(decoding: $0, as: UTF8.self) }
            guard parts.count == 2, let left = vocabulary.id(of: parts[0]), let right = vocabulary.id(of: parts[1]),
                let id = vocabulary.id(of: parts[0] + parts[1])
            else {
                throw ModelFileError(
                    .malformed, "line \(index + 1) is not a pair of tokens that, with what they merge to, are in vocab.json", path: path)
            }
            merges.table[Pair(left: left, right: right)] = Merge(rank: rank, id: id)
            rank += 1
        }
        return merges
    }

    /// Appends the token ids of one piece, given as its UTF-8 bytes.
    ///
    /// Takes time in proportion to n log n, so that a hostile word of a megabyte is harmless.
    func encode(_ bytes: [UInt8], into ids: inout [Int]) {
        guard let last = bytes.last else { return }
        var symbols = bytes.indices.map { Symbol(id: inner[Int(bytes[$0])], previous: $0 - 1, next: $0 + 1) }
        symbols[symbols.count - 1].id = final[Int(last)]
        symbols[symbols.count - 1].next = -1
        var candidates = MinimumHeap<Candidate> { ($0.rank, $0.position) < ($1.rank, $1.position) }
        func consider(_ position: Int) {
            guard position >= 0, symbols[position].next >= 0,
                let merge = merges[Pair(left: symbols[position].id, right: symbols[symbols[position].next].id)]
            else { return }
            candidates.insert(Candidate(rank: merge.rank, position: position, id: merge.id))
        }
        for position in symbols.indices { consider(position) }
        while let candidate = candidates.removeMinimum() {
            let symbol = symbols[candidate.position]
            // Either side may have been merged away since; what counts is whether the pair there now gives the same token.
            guard !symbol.isMerged, symbol.next >= 0,
                merges[Pair(left: symbol.id, right: symbols[symbol.next].id)]?.id == candidate.id
            else { continue }
            let next = symbols[symbol.next].next
            symbols[symbol.next].isMerged = true
            symbols[candidate.position].id = candidate.id
            symbols[candidate.position].next = next
            if next >= 0 { symbols[next].previous = candidate.position }
            consider(symbol.previous)
            consider(candidate.position)
        }
        for symbol in symbols where !symbol.isMerged { ids.append(symbol.id) }
    }
}

/// A binary heap that gives its smallest element first.
private struct MinimumHeap<Element> {
    private var elements: [Element] = []
    private let precedes: (Element, Element) -> Bool

    init(by precedes: @escaping (Element, Element) -> Bool) {
        self.precedes = precedes
    }

    mutating func insert(_ element: Element) {
        elements.append(element)
        var child = elements.count - 1
        while child > 0, precedes(elements[child], elements[(child - 1) / 2]) {
            elements.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    mutating func removeMinimum() -> Element? {
        guard let minimum = elements.first, let last = elements.popLast() else { return nil }
        if elements.isEmpty { return minimum }
        elements[0] = last
        var parent = 0
        while true {
            var smallest = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < elements.count && precedes(elements[child], elements[smallest]) {
                smallest = child
            }
            if smallest == parent { return minimum }
            elements.swapAt(parent, smallest)
            parent = smallest
        }
    }
}
