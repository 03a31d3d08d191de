// SPDX-License-Identifier: Apache-2.0
package import Foundation

/// The `pseudoword` executable that was built together with the running tests.
package enum BuiltProgram {
    package struct Missing: Error, CustomStringConvertible {
        package let description: String
    }

    /// The executable in the products folder of the running tests.
    ///
    /// - Throws: `Missing`, which says where it was looked for.
    package static func url() throws -> URL {
        let places = ["/proc/self/exe", CommandLine.arguments.first ?? ""].map {
            URL(fileURLWithPath: $0).resolvingSymlinksInPath().deletingLastPathComponent()
        }
        for place in places {
            let program = place.appendingPathComponent("pseudoword")
            if FileManager.default.isExecutableFile(atPath: program.path) { return program }
        }
        throw Missing(
            description:
                "no executable \"pseudoword\" beside the running tests in \(places.map(\.path)); build it with: swift build --build-tests")
    }
}

/// Files that tests find by their place in the source tree.
package enum SourceTree {
    private static let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()

    package static func fixture(_ path: String) -> String { tests.appendingPathComponent("Fixtures").appendingPathComponent(path).path }

    /// The starter model's folder.
    package static let starterModel = starter("model")

    /// Five pictures of 128 x 128.
    package static let starterPictures = starter("pictures/teal-heart")

    private static func starter(_ path: String) -> String {
        tests.deletingLastPathComponent().appendingPathComponent("Sources/StarterModel").appendingPathComponent(path).path
    }
}
