// SPDX-License-Identifier: Apache-2.0
package import Foundation

/// A folder of one test, gone when the test is.
package final class ScratchFolder: Sendable {
    package let url: URL

    package init() throws {
        let parent = FileManager.default.temporaryDirectory.resolvingSymlinksInPath()
        url = parent.appendingPathComponent("pseudoword-\(UUID().uuidString.prefix(8))")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }

    deinit {
        try? FileManager.default.removeItem(at: url)
    }

    package var path: String { url.path }

    package func path(_ name: String) -> String { url.appendingPathComponent(name).path }

    package func exists(_ name: String) -> Bool { FileManager.default.fileExists(atPath: path(name)) }

    @discardableResult
    package func makeFolder(_ name: String) throws -> String {
        try FileManager.default.createDirectory(atPath: path(name), withIntermediateDirectories: true)
        return path(name)
    }

    /// Writes a file, with the folders above it.
    @discardableResult
    package func write(_ bytes: some Sequence<UInt8>, to name: String) throws -> String {
        try FileManager.default.createDirectory(
            at: url.appendingPathComponent(name).deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(bytes).write(to: url.appendingPathComponent(name))
        return path(name)
    }

    @discardableResult
    package func write(_ text: String, to name: String) throws -> String { try write(Array(text.utf8), to: name) }

    @discardableResult
    package func copy(_ path: String, to name: String) throws -> String {
        try FileManager.default.copyItem(atPath: path, toPath: self.path(name))
        return self.path(name)
    }

    /// Everything below the folder, sorted, the programs' captured output apart.
    package func contents(of name: String = ".") -> [String] {
        let paths = (try? FileManager.default.subpathsOfDirectory(atPath: path(name))) ?? []
        return paths.filter { !$0.hasPrefix(RunningProgram.captures) }.sorted()
    }
}
