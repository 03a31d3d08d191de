// SPDX-License-Identifier: Apache-2.0

import Glibc

/// The words that belong to a picture, for `[filewords]`.
package enum Captions {
    private static let maximumBytes = 1 << 16

    /// The text of the side-car file (`cat.txt` beside `cat.png`) on one line, or else the words of the file name.
    ///
    /// - Throws: `StudyError` when there is a side-car that cannot be read.
    package static func caption(forPicture path: String) throws -> String {
        let sidecar = sidecar(ofPicture: path)
        guard access(sidecar, F_OK) == 0 else { return caption(fromFileName: path) }
        let text = try Text.read(path: sidecar, limit: maximumBytes)
        guard !text.unicodeScalars.contains("\0") else {
            throw StudyError(.invalidCaption, source: sidecar, "has a zero byte, expected a line of text")
        }
        return text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
    }

    /// Where the side-car of a picture would be.
    package static func sidecar(ofPicture path: String) -> String { withoutExtension(path) + ".txt" }

    /// The words of a file name: no folder, no extension, no leading number, spaces for underscores.
    ///
    /// AUTOMATIC1111 strips leading digits and dashes too; here a number counts as an index only when it stands alone or before `-`, `_` or
    /// a space, so that `3d-render.png` keeps its name.
    package static func caption(fromFileName path: String) -> String {
        let file = withoutExtension(String(path[(path.lastIndex(of: "/").map(path.index(after:)) ?? path.startIndex)...]))
        let separators: Set<Character> = ["-", "_", " "]
        let rest = file.drop { separators.contains($0) }.drop { $0.isASCII && $0.isNumber }
        let isIndexed = rest.isEmpty || rest.first.map(separators.contains) == true
        let words = isIndexed ? rest.drop { separators.contains($0) } : file[...]
        return words.map { $0 == "_" ? " " : $0 }.split(whereSeparator: \.isWhitespace).map { String($0) }.joined(separator: " ")
    }

    private static func withoutExtension(_ path: String) -> String {
        guard let dot = path.lastIndex(of: "."), path[dot...].contains("/") == false, dot != path.startIndex else { return path }
        return path[path.index(before: dot)] == "/" ? path : String(path[..<dot])
    }
}
