// SPDX-License-Identifier: Apache-2.0

/// What went wrong in a fleet, in one line.
package struct FleetError: Error, Sendable, Equatable, CustomStringConvertible {
    package enum Code: Sendable, Equatable {
        /// No coordinator answers.
        case unreachable
        /// The coordinator does not want this.
        case refused
        /// There is no such study.
        case notFound
        /// The folder, the disk or the ledger is not usable.
        case storage
        /// Another coordinator works in this home.
        case homeInUse
        /// The study or a setting is wrong.
        case invalid
        /// The two programs do not understand each other.
        case protocolMismatch
        /// The other side is at fault.
        case `internal`
    }

    package let code: Code
    package let message: String

    package init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message.oneLine
    }

    package var description: String { message }
}

extension String {
    /// The text without line breaks and control characters, cut to a length that fits a terminal's few lines.
    package var oneLine: String {
        if utf8.count <= 1000, utf8.allSatisfy({ (0x20..<0x7F).contains($0) }) { return self }
        let clean = unicodeScalars.lazy.map { $0.properties.generalCategory == .control ? " " : Character($0) }
        return String(clean.prefix(1000))
    }
}
