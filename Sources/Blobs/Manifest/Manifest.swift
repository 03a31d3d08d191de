// SPDX-License-Identifier: Apache-2.0
import Foundation

/// A list of files by name and content: what a folder has to hold, wherever the bytes come from.
///
///     {"files":[{"bytes":5,"path":"unet/config.json","role":"model","sha256":"2cf2...9824"}],"format":"pseudoword-manifest","version":1}
///
/// Equal lists have equal texts, so that a manifest's own digest names the whole folder.
package struct Manifest: Sendable, Hashable {
    package struct File: Sendable, Hashable {
        /// Relative, with `/` between its parts.
        package var path: String
        package var digest: BlobDigest
        package var bytes: Int64
        /// What the file is for, such as `model` or `picture`; empty when that goes without saying.
        package var role: String

        package init(path: String, digest: BlobDigest, bytes: Int64, role: String = "") {
            self.path = path
            self.digest = digest
            self.bytes = bytes
            self.role = role
        }
    }

    package static let maximumFiles = 20_000
    package static let maximumTextBytes = 8 << 20
    static let format = "pseudoword-manifest"
    static let version: Int64 = 1

    /// Sorted by path, byte by byte.
    package let files: [File]

    /// Takes files in any order.
    ///
    /// - Throws: `.invalid` for a path that is not safe, that appears twice, or that is both a file and a folder.
    package init(files: [File]) throws(BlobError) {
        guard files.count <= Self.maximumFiles else {
            throw Self.refusal("lists \(files.count) files; at most \(Self.maximumFiles) are allowed")
        }
        var total: Int64 = 0
        var names: Set<String> = []
        for file in files {
            let shown = SafePath.shown(file.path)
            if let complaint = SafePath.complaint(file.path) { throw Self.refusal("path \(shown) \(complaint)") }
            guard names.insert(file.path).inserted else { throw Self.refusal("path \(shown) appears twice") }
            guard file.role.utf8.count <= 32, file.role.utf8.allSatisfy(Self.isRoleCharacter) else {
                throw Self.refusal("path \(shown) has a role other than up to 32 letters, digits, - and _")
            }
            guard (0...BlobLimits.blobBytes).contains(file.bytes) else { throw Self.refusal("path \(shown) has \(file.bytes) bytes") }
            total += file.bytes
            guard total <= BlobLimits.blobBytes else { throw Self.refusal("its files have more than \(BlobLimits.blobBytes) bytes in all") }
        }
        for file in files {
            for folder in SafePath.folders(of: file.path) where names.contains(folder) {
                throw Self.refusal("path \(SafePath.shown(folder)) is both a file and a folder")
            }
        }
        self.files = files.sorted { $0.path.utf8.lexicographicallyPrecedes($1.path.utf8) }
    }

    /// The one text that stands for this list.
    package var text: String {
        let list = files.map { file in
            let role = file.role.isEmpty ? "" : "\"role\":\"\(file.role)\","
            return "{\"bytes\":\(file.bytes),\"path\":\(Self.quoted(file.path)),\(role)\"sha256\":\"\(file.digest.hex)\"}"
        }
        return "{\"files\":[\(list.joined(separator: ","))],\"format\":\"\(Self.format)\",\"version\":\(Self.version)}"
    }

    /// The digest of the text.
    package var digest: BlobDigest { BlobDigest(of: Data(text.utf8)) }

    package var totalBytes: Int64 { files.reduce(0) { $0 + $1.bytes } }

    /// The blobs, each once.
    package var wishes: [BlobWish] {
        var seen: Set<BlobDigest> = []
        return files.filter { seen.insert($0.digest).inserted }.map { BlobWish(digest: $0.digest, bytes: $0.bytes) }
    }

    static func isRoleCharacter(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
        default: byte == UInt8(ascii: "-") || byte == UInt8(ascii: "_")
        }
    }

    /// Paths hold no control characters, so this is all that JSON asks for.
    ///
    /// Scalar by scalar: a quote with an accent on it is another `Character`, and a quote all the same.
    private static func quoted(_ path: String) -> String {
        var text = String.UnicodeScalarView()
        text.append("\"")
        for scalar in path.unicodeScalars {
            if scalar == "\"" || scalar == "\\" { text.append("\\") }
            text.append(scalar)
        }
        text.append("\"")
        return String(text)
    }

    static func refusal(_ why: String) -> BlobError { BlobError(.invalid, "manifest: \(why)") }
}

/// A blob that is wanted, and what is known of it.
package struct BlobWish: Sendable, Hashable {
    package var digest: BlobDigest
    /// Nil when it is not known.
    package var bytes: Int64?
    /// Absolute paths where the same file may lie on this machine.
    package var localPaths: [String]

    package init(digest: BlobDigest, bytes: Int64?, localPaths: [String] = []) {
        self.digest = digest
        self.bytes = bytes
        self.localPaths = localPaths
    }
}
