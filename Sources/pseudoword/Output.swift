// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Foundation

/// How a command prints its result: for people or for programs.
enum OutputFormat: String, ExpressibleByArgument, CaseIterable {
    case text, json
}

/// Prints a line of a program that goes on: whoever reads a log or a pipe gets it now.
func announce(_ line: String) {
    print(line)
    fflush(nil)
}

extension Encodable {
    /// One JSON value on standard output, keys sorted.
    func printAsJSON() throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.dateEncodingStrategy = .iso8601
        encoder.nonConformingFloatEncodingStrategy = .convertToString(positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
        print(String(decoding: try encoder.encode(self), as: UTF8.self))
    }
}

/// A number with a fixed count of digits after the point, or in scientific notation.
func formatted(_ value: Double, digits: Int = 4) -> String { String(format: "%.\(digits)f", value) }

func scientific(_ value: Double) -> String { String(format: "%.1e", value) }

extension String {
    func padded(to width: Int) -> String { count >= width ? self : self + String(repeating: " ", count: width - count) }
}
