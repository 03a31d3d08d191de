// SPDX-License-Identifier: Apache-2.0

/// What is wrong with a study, a schedule, a template or a caption: one line that says where, what was found and what was expected.
package struct StudyError: Error, Equatable, Sendable, CustomStringConvertible {
    package enum Code: Sendable {
        case notYAML, notJSON, notFound, unreadable, tooLarge
        case unknownKey, duplicateKey, missingKey
        case wrongType, outOfRange, unsupported
        case invalidSchedule, invalidTemplate, invalidCaption
    }

    package let code: Code
    /// The file's name, or what stands for it.
    package let source: String
    /// Counted from 1.
    package let line: Int?
    /// The dotted key, `training.steps`.
    package let key: String?
    package let message: String

    package init(_ code: Code, source: String, line: Int? = nil, key: String? = nil, _ message: String) {
        self.code = code
        self.source = Text.oneLine(source)
        self.line = line
        self.key = key.map(Text.oneLine)
        self.message = message
    }

    package var description: String {
        let place = line.map { "\(source):\($0)" } ?? source
        return key.map { "\(place): \($0): \(message)" } ?? "\(place): \(message)"
    }
}
