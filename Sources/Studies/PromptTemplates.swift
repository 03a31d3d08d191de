// SPDX-License-Identifier: Apache-2.0

/// The prompts a pseudo-word is trained with: lines with `[name]`, and perhaps `[filewords]` for the picture's caption.
package struct PromptTemplates: Equatable, Sendable {
    package let lines: [String]

    private static let maximumBytes = 1 << 20
    private static let maximumLines = 10_000

    /// The built-in lists or a file's lines.
    ///
    /// - Throws: `StudyError` with the line of the file that cannot be a template.
    package init(_ templates: Templates) throws {
        switch templates {
        case .subject: self.init(lines: PromptTemplates.subject)
        case .style: self.init(lines: PromptTemplates.style)
        case .subjectCaptions: self.init(lines: PromptTemplates.subjectCaptions)
        case .styleCaptions: self.init(lines: PromptTemplates.styleCaptions)
        case .file(let path): try self.init(text: Text.read(path: path, limit: PromptTemplates.maximumBytes), source: path)
        }
    }

    private init(lines: [String]) { self.lines = lines }

    /// Reads one template a line; blank lines are skipped, because an empty prompt would train nothing.
    ///
    /// - Throws: `StudyError` when a line lacks `[name]`: a prompt without the pseudo-word has no gradient.
    package init(text: String, source: String) throws {
        var lines = [String]()
        for (index, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
            let template = Text.trimmed(line)
            if template.isEmpty { continue }
            guard template.contains("[name]") else {
                throw StudyError(
                    .invalidTemplate, source: source, line: index + 1, "found \(Text.quoted(template)), expected a prompt with [name] in it"
                )
            }
            guard template.utf8.count <= 1000, !template.unicodeScalars.contains("\0") else {
                throw StudyError(
                    .invalidTemplate, source: source, line: index + 1, "expected a prompt of at most 1000 bytes without zero bytes")
            }
            lines.append(template)
        }
        guard (1...PromptTemplates.maximumLines).contains(lines.count) else {
            throw StudyError(
                .invalidTemplate, source: source, "has \(lines.count) prompts, expected 1 to \(PromptTemplates.maximumLines), one a line")
        }
        self.init(lines: lines)
    }

    /// Whether any line asks for the picture's caption.
    package var usesCaptions: Bool { lines.contains { $0.contains("[filewords]") } }

    /// Fills in a template: first `[filewords]`, then `[name]`, so that a caption may say where the pseudo-word stands.
    package static func prompt(template: String, name: String, caption: String) -> String {
        replacing("[name]", in: replacing("[filewords]", in: template, by: caption), by: name)
    }

    private static func replacing(_ mark: String, in text: String, by replacement: String) -> String {
        text.split(separator: mark, omittingEmptySubsequences: false).joined(separator: replacement)
    }
}
