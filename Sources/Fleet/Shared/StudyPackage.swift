// SPDX-License-Identifier: Apache-2.0

package import Blobs
import Foundation
package import StableDiffusion
package import Studies
import TextualInversion

/// A study whose files go by content: every path in it is one of its manifest.
///
///     pictures/NAME         pictures and their side-car captions
///     files/1-NAME          templates and init files, in the order in which the study names them
///     model/...             the model's folder, unless it is the bundled one
package struct StudyPackage: Sendable {
    /// A file on this machine and its place in the manifest.
    package struct Source: Sendable, Hashable {
        package let role: String
        package let path: String
        package let file: String
    }

    static let pictures = "pictures"
    static let model = "model"

    /// With paths of the manifest.
    package let study: Study
    package let sources: [Source]

    /// - Parameters:
    ///   - study: with absolute paths on this machine.
    ///   - model: its model's folder if that is here and not the bundled one.
    /// - Throws: when pictures or files cannot be listed.
    package init(_ study: Study, model folder: ModelFolder?) throws {
        self.study = Self.relocated(study)
        let names = Self.names(of: study)
        var sources = try StudyFiles.list(study).map { file in
            let place = names[file.path] ?? "\(Self.pictures)/\(file.name)"
            return Source(role: file.role.rawValue, path: place, file: file.path)
        }
        if let folder { sources += try Self.modelFiles(folder) }
        self.sources = sources
    }

    /// The study with the paths of its manifest in the place of those of somebody's machine.
    package static func relocated(_ study: Study) -> Study {
        let names = names(of: study)
        var study = study.relocated(pictures: pictures) { names[$0] ?? $0 }
        if study.model != Study.starterModel { study.model = model }
        return study
    }

    private static func names(of study: Study) -> [String: String] {
        var names: [String: String] = [:]
        for (index, file) in study.files.enumerated() {
            names[file.path] = "files/\(index + 1)-\(URL(fileURLWithPath: file.path).lastPathComponent)"
        }
        return names
    }

    /// The files of a model's folder that are read.
    package static func modelFiles(_ folder: ModelFolder) throws -> [Source] {
        try folder.files().map { Source(role: model, path: "\(model)/\($0)", file: "\(folder.path)/\($0)") }
    }

    /// The manifest, with the files' bytes in a store: pictures and texts copied, a model's files in their place.
    package func manifest(
        in store: BlobStore, isCancelled: () -> Bool = { false }
    ) throws -> Manifest {
        try Manifest(
            files: sources.map { source in
                let url = URL(fileURLWithPath: source.file)
                let (digest, bytes) =
                    source.role == Self.model
                    ? try store.registerInPlace(url, isCancelled: isCancelled) : try store.put(file: url, isCancelled: isCancelled)
                return Manifest.File(path: source.path, digest: digest, bytes: bytes, role: source.role)
            })
    }
}

extension Manifest {
    /// How many pictures a study has.
    var pictureCount: Int { files.count { $0.role == StudyFiles.Role.picture.rawValue } }

    var holdsModel: Bool { files.contains { $0.role == StudyPackage.model } }
}
