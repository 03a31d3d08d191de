// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc
import Testing

@testable import Blobs

@Suite struct ManifestTests {
    private let digest = BlobDigest(of: Data("abc".utf8))

    private func file(_ path: String, bytes: Int64 = 3, role: String = "") -> Manifest.File {
        Manifest.File(path: path, digest: digest, bytes: bytes, role: role)
    }

    @Test func theTextIsCanonical() throws {
        let manifest = try Manifest(files: [file("b/ü \"x\" \\", role: "model"), file("a")])
        let text =
            #"{"files":[{"bytes":3,"path":"a","sha256":"\#(digest)"},"#
            + #"{"bytes":3,"path":"b/ü \"x\" \\","role":"model","sha256":"\#(digest)"}],"format":"pseudoword-manifest","version":1}"#
        #expect(manifest.text == text)
        #expect(try Manifest(parsing: text) == manifest)
        #expect(manifest.digest == BlobDigest(of: Data(text.utf8)))
        let loose = """
             { "version" : 1, "format":"pseudoword-manifest",
               "files":[{"path":"b\\/\\u00fc \\u0022x\\" \\\\","sha256":"\(digest)","bytes":3, "role":"model"} , {"sha256":"\(digest)",
               "path":"a","bytes":3}]}\n
            """
        #expect(try Manifest(parsing: loose).text == text)
        #expect(try Manifest(parsing: Manifest(files: []).text).files.isEmpty)
        #expect(manifest.wishes == [BlobWish(digest: digest, bytes: 3)])
        #expect(manifest.totalBytes == 6)
    }

    @Test(arguments: [
        "", "/", "/etc/passwd", "..", "../x", "a/../../x", "a/..", ".", "./a", "a//b", "a/", "a\u{0}b", "a\nb", "a\u{1B}[2J", "a\u{202E}b",
        String(repeating: "x", count: 256), String(repeating: "x/", count: 520) + "x", "a\u{2028}b",
    ])
    func unsafePathsAreRefused(path: String) {
        #expect(SafePath.complaint(path) != nil)
        #expect(errorCode { _ = try Manifest(files: [file(path)]) } == .invalid)
    }

    /// Found by fuzzing: what follows a quote or a slash may belong to the same `Character`.
    @Test func accentsOnQuotesAndSlashesChangeNothing() throws {
        let manifest = try Manifest(files: [file("a\"\u{64B}b"), file("c\\\u{301}"), file("d/\u{301}e")])
        #expect(try Manifest(parsing: manifest.text) == manifest)
        #expect(errorCode { _ = try Manifest(files: [file("d"), file("d/\u{301}e")]) } == .invalid)
        #expect(SafePath.complaint("..\u{301}/x") == nil)
        #expect(SafePath.complaint("../\u{301}x") != nil)
        let scratch = try ScratchFolder()
        let store = try scratch.store()
        let files = [Manifest.File(path: "d/\u{301}e/f", digest: try store.put(bytes(10)), bytes: 10)]
        for _ in 0..<2 { try store.materialize(Manifest(files: files), into: scratch["tree"]) }
        #expect(try Data(contentsOf: scratch["tree/d/\u{301}e/f"]) == bytes(10))
    }

    @Test(arguments: ["a", "a/b/c.txt", "..a", "a..", "...", "ü/日本語", "blue dog.png", "-rf", "~", "a\\b", ".hidden"])
    func ordinaryPathsAreFine(path: String) throws {
        let manifest = try Manifest(files: [file(path)])
        #expect(try Manifest(parsing: manifest.text) == manifest)
    }

    @Test func contradictionsAreRefused() {
        #expect(errorCode { _ = try Manifest(files: [file("a"), file("a")]) } == .invalid)
        #expect(errorCode { _ = try Manifest(files: [file("a"), file("a/b")]) } == .invalid)
        #expect(errorCode { _ = try Manifest(files: [file("a/b/c"), file("a/b")]) } == .invalid)
        #expect(errorCode { _ = try Manifest(files: [file("a", bytes: -1)]) } == .invalid)
        #expect(errorCode { _ = try Manifest(files: [file("a", bytes: .max)]) } == .invalid)
        #expect(errorCode { _ = try Manifest(files: [file("a", bytes: 1 << 50), file("b", bytes: 1 << 50)]) } == .invalid)
        #expect(errorCode { _ = try Manifest(files: [file("a", role: "a b")]) } == .invalid)
        #expect(errorCode { _ = try Manifest(files: (0...20_000).map { file("\($0)") }) } == .invalid)
    }

    @Test func otherTextsAreRefused() throws {
        let good = try Manifest(files: [file("a", role: "model")]).text
        var texts = ["", "{", "{}", "[]", "null", good + "x", good + good, String(repeating: "[", count: 100_000), "{\"files\":[[]]}"]
        for (old, new) in [
            ("\"version\":1", "\"version\":2"), ("\"version\":1", "\"version\":01"), ("\"version\":1", "\"version\":-1"),
            ("\"version\":1", "\"version\":1,\"version\":1"), ("\"version\":1", "\"version\":99999999999999999999"),
            ("pseudoword-manifest", "x"), ("\"bytes\":3", "\"bytes\":3.0"), ("\"bytes\":3", "\"bytes\":1e3"),
            ("\"bytes\":3", "\"bytes\":\"3\""), ("\"path\":\"a\"", "\"path\":\"\\ud800\""), ("\"path\":\"a\"", "\"path\":\"\\x\""),
            ("\"path\":\"a\"", "\"path\":\"\\u12\""), ("\"path\":\"a\"", "\"path\":\"\\n\""), ("\"path\":\"a\"", "\"path\":\"a\tb\""),
            ("\"path\":\"a\"", "\"path\":\"a\",\"x\":1"), ("\"path\":\"a\",", ""), ("\(digest)", String(digest.hex.dropLast())),
            ("\(digest)", digest.hex.uppercased()), ("}]", "},]"), ("}]", "}"),
        ] {
            #expect(good.contains(old))
            texts.append(good.replacing(old, with: new))
        }
        for text in texts { #expect(errorCode { _ = try Manifest(parsing: text) } == .invalid, "\(text.prefix(80))") }
        #expect(errorCode { _ = try Manifest(parsing: Data([0x7B, 0x22, 0xFF, 0x22, 0x3A, 0x31, 0x7D])) } == .invalid)
        for count in 0..<good.utf8.count { #expect(errorCode { _ = try Manifest(parsing: Data(good.utf8.prefix(count))) } == .invalid) }
    }

    @Test func aFolderIsMadeOfLinks() throws {
        let scratch = try ScratchFolder()
        let store = try scratch.store()
        let inPlace = try scratch.write(bytes(2000, seed: 2), to: "models/big")
        let files = [
            Manifest.File(path: "unet/config.json", digest: try store.put(bytes(1000)), bytes: 1000),
            Manifest.File(path: "copy", digest: BlobDigest(of: bytes(1000)), bytes: 1000),
            Manifest.File(path: "unet/big", digest: try store.registerInPlace(inPlace).digest, bytes: 2000),
        ]
        let manifest = try Manifest(files: files)
        let tree = scratch["tree"]
        for _ in 0..<2 {
            try store.materialize(manifest, into: tree)
            #expect(try Data(contentsOf: tree.appendingPathComponent("unet/config.json")) == bytes(1000))
            #expect(try Data(contentsOf: tree.appendingPathComponent("copy")) == bytes(1000))
            #expect(try Data(contentsOf: tree.appendingPathComponent("unet/big")) == bytes(2000, seed: 2))
            #expect(Disk.names(in: tree.path).sorted() == ["copy", "unet"])
        }
        // A linked blob stays, and a damaged folder is made good again.
        #expect(!store.remove(files[0].digest))
        try FileManager.default.removeItem(at: tree.appendingPathComponent("copy"))
        symlink("/nowhere", tree.appendingPathComponent("copy").path)
        _ = try scratch.write(Data(), to: "tree/unet/config.json.99.link")
        try store.materialize(manifest, into: tree)
        #expect(try Data(contentsOf: tree.appendingPathComponent("copy")) == bytes(1000))
        #expect(Disk.names(in: tree.appendingPathComponent("unet").path).sorted() == ["big", "config.json"])
    }

    @Test func whatIsNotInTheManifestIsNotTouched() throws {
        let scratch = try ScratchFolder()
        let store = try scratch.store()
        let manifest = try Manifest(files: [Manifest.File(path: "a/b", digest: try store.put(bytes(10)), bytes: 10)])
        let outside = try scratch.write(Data("precious".utf8), to: "outside/b")
        try FileManager.default.createDirectory(at: scratch["tree"], withIntermediateDirectories: true)
        symlink(outside.deletingLastPathComponent().path, scratch["tree/a"].path)
        #expect(errorCode { try store.materialize(manifest, into: scratch["tree"]) } == .invalid)
        #expect(try Data(contentsOf: outside) == Data("precious".utf8))
        _ = try scratch.write(Data(), to: "second/notes.txt")
        #expect(errorCode { try store.materialize(manifest, into: scratch["second"]) } == .invalid)
        let wrong = try Manifest(files: [Manifest.File(path: "a", digest: manifest.files[0].digest, bytes: 11)])
        #expect(errorCode { try store.materialize(wrong, into: scratch["third"]) } == .invalid)
        let missing = try Manifest(files: [Manifest.File(path: "a", digest: BlobDigest(of: Data("no".utf8)), bytes: 2)])
        #expect(errorCode { try store.materialize(missing, into: scratch["fourth"]) } == .notFound)
    }
}
