// SPDX-License-Identifier: Apache-2.0
import Foundation
import ModelFiles
import Testing

struct FileWatchTests {
    private let folder = FileManager.default.temporaryDirectory.appendingPathComponent("pseudoword-watch-\(UUID().uuidString)")

    private func file(_ name: String, _ text: String) throws -> String {
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let url = folder.appendingPathComponent(name)
        try Data(text.utf8).write(to: url)
        return url.path
    }

    private func append(_ text: String, to path: String) throws {
        let handle = try #require(FileHandle(forWritingAtPath: path))
        try handle.seekToEnd()
        handle.write(Data(text.utf8))
        try handle.close()
    }

    @Test func filesThatStayAsTheyAreAreNoMatter() throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        let watch = FileWatch([try file("a", "one"), try file("b", "two"), folder.path + "/nowhere"])
        try watch.check()
    }

    @Test func aFileThatIsWrittenInPlaceIsNamed() throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        let path = try file("b", "two"), watch = FileWatch([try file("a", "one"), path])
        try append("more", to: path)
        let error = #expect(throws: ModelFileError.self) { try watch.check() }
        #expect(error?.code == .changed && error?.path == path)
    }

    /// What is mapped stays: neither a new file under the name nor none at all matters.
    @Test func aFileThatIsReplacedOrRemovedIsNoMatter() throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        let (a, b) = (try file("a", "one"), try file("b", "two")), watch = FileWatch([a, b])
        #expect(rename(try file("new", "another"), a) == 0)
        try FileManager.default.removeItem(atPath: b)
        try watch.check()
    }
}
