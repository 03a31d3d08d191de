// SPDX-License-Identifier: Apache-2.0

/// Finds special tokens written out in text: the leftmost first, and of those starting together the longest.
struct SpecialTokenMatcher: Sendable {
    enum Part {
        case text([Unicode.Scalar])
        case token(Int)
    }

    /// Tokens by their first scalar, longest first.
    private let tokens: [Unicode.Scalar: [(token: [Unicode.Scalar], id: Int)]]

    init(_ tokens: [(token: [Unicode.Scalar], id: Int)]) {
        let usable = tokens.filter { !$0.token.isEmpty }.sorted { $0.token.count > $1.token.count }
        self.tokens = Dictionary(grouping: usable) { $0.token[0] }
    }

    /// The text cut at special tokens, in order and without empty parts.
    func split(_ scalars: [Unicode.Scalar]) -> [Part] {
        var parts: [Part] = []
        var start = 0
        var position = 0
        while position < scalars.count {
            guard let match = tokens[scalars[position]]?.first(where: { scalars[position...].starts(with: $0.token) }) else {
                position += 1
                continue
            }
            if start < position { parts.append(.text(Array(scalars[start..<position]))) }
            parts.append(.token(match.id))
            position += match.token.count
            start = position
        }
        if start < scalars.count { parts.append(.text(start == 0 ? scalars : Array(scalars[start...]))) }
        return parts
    }
}
