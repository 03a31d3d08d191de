// SPDX-License-Identifier: Apache-2.0
private import Glibc
private import Pictures
package import Studies

/// The files that a study needs besides its model.
package enum StudyFiles {
    package enum Role: String, Sendable {
        /// A picture; its name decides its place among the others, and its caption if it has no side-car.
        case picture
        /// The side-car text of a picture; it goes into the same folder under its own name.
        case caption
        case templates
        case initialization = "init"
    }

    package struct Entry: Equatable, Sendable {
        package let role: Role
        package let path: String

        /// The file's name without its folder.
        package var name: String { path.split(separator: "/").last.map(String.init) ?? path }
    }

    /// All files of a study and its trials: pictures in their order, each followed by its side-car, then templates and init files.
    ///
    /// Copies of pictures and captions in one folder under the same names, and the study `relocated` there, give the same bits.
    package static func list(_ study: Study) throws -> [Entry] {
        var files: [Entry] = []
        var captions: Set<String> = []
        for picture in try PictureFolder.list(study.data.pictures) {
            files.append(Entry(role: .picture, path: picture))
            let caption = Captions.sidecar(ofPicture: picture)
            if access(caption, F_OK) == 0, captions.insert(caption).inserted { files.append(Entry(role: .caption, path: caption)) }
        }
        return files + study.files.map { Entry(role: $0.kind == .templates ? .templates : .initialization, path: $0.path) }
    }
}
