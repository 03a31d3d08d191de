// SPDX-License-Identifier: Apache-2.0

/// A pseudo-word's vectors, or anything of their shape: `[count, width]`, row-major, 32-bit floats.
package struct Vectors: Equatable, Sendable {
    /// V: how many tokens the pseudo-word takes.
    package let count: Int
    /// D: the width of the text encoder, for two encoders the sum of their widths.
    package let width: Int
    /// `count * width` values.
    package var values: [Float] {
        didSet { precondition(values.count == count * width, "\(values.count) values are not [\(count), \(width)]") }
    }

    package init(count: Int, width: Int, values: [Float]) {
        precondition(count > 0 && width > 0, "a pseudo-word of \(count) vectors of width \(width)")
        precondition(values.count == count * width, "\(values.count) values are not [\(count), \(width)]")
        self.count = count
        self.width = width
        self.values = values
    }

    package static func zeros(count: Int, width: Int) -> Vectors {
        Vectors(count: count, width: width, values: [Float](repeating: 0, count: count * width))
    }

    /// The columns in `range`, `[count, range.count]`: one encoder's part.
    package func columns(_ range: Range<Int>) -> Vectors {
        precondition(range.lowerBound >= 0 && range.upperBound <= width, "columns \(range) of \(width)")
        var part: [Float] = []
        for row in 0..<count { part += values[(row * width + range.lowerBound)..<(row * width + range.upperBound)] }
        return Vectors(count: count, width: range.count, values: part)
    }

    /// These vectors with `other`'s columns after their own; the opposite of `columns`.
    package func appendingColumns(of other: Vectors) -> Vectors {
        precondition(count == other.count, "\(count) and \(other.count) vectors cannot stand side by side")
        var joined: [Float] = []
        for row in 0..<count {
            joined += values[(row * width)..<((row + 1) * width)]
            joined += other.values[(row * other.width)..<((row + 1) * other.width)]
        }
        return Vectors(count: count, width: width + other.width, values: joined)
    }

    func hasShape(of other: Vectors) -> Bool { count == other.count && width == other.width }
}
