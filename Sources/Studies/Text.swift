// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Small helpers for text that comes from outside.
enum Text {
    /// Replaces what would break or disturb a line, and shortens what is too long for one.
    static func oneLine(_ text: String) -> String { oneLine(text, limit: 240) }

    /// The text in quotation marks, as an error message shows it.
    static func quoted(_ text: String) -> String { "\"\(oneLine(text, limit: 60))\"" }

    static func oneLine(_ text: String, limit: Int) -> String {
        var line = ""
        for scalar in text.unicodeScalars.prefix(limit) {
            let isBreak = scalar.properties.generalCategory == .control || scalar.value == 0x2028 || scalar.value == 0x2029
            line.unicodeScalars.append(isBreak ? " " : scalar)
        }
        return text.unicodeScalars.count > limit ? line + "..." : line
    }

    /// Whether all characters are ASCII letters, digits or among these.
    static func isName(_ text: String, or others: String) -> Bool {
        text.unicodeScalars.allSatisfy { scalar in
            scalar.isASCII && (scalar.properties.isAlphabetic || ("0"..."9").contains(scalar)) || others.unicodeScalars.contains(scalar)
        }
    }

    /// Without white space at both ends.
    static func trimmed(_ text: some StringProtocol) -> String {
        let start = text.drop(while: \.isWhitespace)
        return String(start.prefix(upTo: start.lastIndex { !$0.isWhitespace }.map { start.index(after: $0) } ?? start.startIndex))
    }

    /// Changes, insertions, deletions and swaps of neighbours that turn one text into the other; only the first 64 characters count.
    static func editDistance(_ a: String, _ b: String) -> Int {
        let (a, b) = (Array(a.prefix(64)), Array(b.prefix(64)))
        var rows = [Array(0...b.count)]
        for i in a.indices {
            var row = [i + 1]
            for j in b.indices {
                var best = min(row[j] + 1, rows[i][j + 1] + 1, rows[i][j] + (a[i] == b[j] ? 0 : 1))
                if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { best = min(best, rows[i - 1][j - 1] + 1) }
                row.append(best)
            }
            rows.append(row)
        }
        return rows[a.count][b.count]
    }

    /// Reads a small UTF-8 file; a byte-order mark is left out.
    static func read(path: String, limit: Int) throws -> String {
        func failure(_ code: StudyError.Code, _ message: String) -> StudyError { StudyError(code, source: path, message) }
        func reason() -> String { String(cString: strerror(errno)).lowercased() }
        // Non-blocking, so that a pipe cannot hang the program before it is refused.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else {
            throw failure(errno == ENOENT || errno == ENOTDIR ? .notFound : .unreadable, "cannot be read: \(reason())")
        }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw failure(.unreadable, "cannot be read: \(reason())") }
        guard status.st_mode & S_IFMT == S_IFREG else { throw failure(.unreadable, "not a file") }
        guard status.st_size <= limit else { throw failure(.tooLarge, "has \(status.st_size) bytes, expected at most \(limit)") }
        var bytes = [UInt8](repeating: 0, count: Int(status.st_size))
        var filled = 0
        while filled < bytes.count {
            let room = bytes.count - filled
            let got = bytes.withUnsafeMutableBytes { Glibc.read(descriptor, $0.baseAddress?.advanced(by: filled), room) }
            if got < 0, errno == EINTR { continue }
            guard got >= 0 else { throw failure(.unreadable, "cannot be read: \(reason())") }
            if got == 0 { break }
            filled += got
        }
        let content = bytes.prefix(filled)
        guard let text = String(validating: content.starts(with: [0xEF, 0xBB, 0xBF]) ? content.dropFirst(3) : content, as: UTF8.self) else {
            throw failure(.unreadable, "not UTF-8 text; save it as UTF-8")
        }
        return text
    }
}
