// SPDX-License-Identifier: Apache-2.0

/// Names of files that come from elsewhere.
package enum SafePath {
    package static let maximumBytes = 1024
    static let maximumNameBytes = 255

    /// Why a path could lead out of the folder it belongs to, or confuse whoever reads it; nil when it is fine.
    package static func complaint(_ path: String) -> String? {
        if path.isEmpty { return "is empty" }
        if path.utf8.count > maximumBytes { return "has \(path.utf8.count) bytes; at most \(maximumBytes) are allowed" }
        if path.utf8.first == UInt8(ascii: "/") { return "is absolute; it has to be relative" }
        if !path.unicodeScalars.allSatisfy(isPrintable) { return "has control characters" }
        for name in path.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false) {
            if name.isEmpty { return "has an empty part" }
            if name.elementsEqual(".".utf8) || name.elementsEqual("..".utf8) { return "has a part \"\(String(name) ?? "")\"" }
            if name.count > maximumNameBytes { return "has a part of \(name.count) bytes; at most \(maximumNameBytes) are allowed" }
        }
        return nil
    }

    /// `a/b/c` is in `a` and `a/b`.
    ///
    /// Byte by byte: a slash with an accent on it is another `Character`, and a slash all the same.
    static func folders(of path: String) -> [String] {
        path.utf8.indices.filter { path.utf8[$0] == UInt8(ascii: "/") }.map { String(path[..<$0]) }
    }

    /// The path in quotes, short enough for one line and without anything that could move a cursor.
    static func shown(_ path: String) -> String {
        let clean = String(String.UnicodeScalarView(path.unicodeScalars.prefix(81).map { isPrintable($0) ? $0 : "?" }))
        return clean.unicodeScalars.count > 80 ? "\"\(String(clean.unicodeScalars.prefix(80)))...\"" : "\"\(clean)\""
    }

    static func isPrintable(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .lineSeparator, .paragraphSeparator, .surrogate, .unassigned: false
        default: !(0x202A...0x202E).contains(scalar.value) && !(0x2066...0x2069).contains(scalar.value)
        }
    }
}
