// SPDX-License-Identifier: Apache-2.0

import GRDB

extension Ledger {
    /// Every version the schema ever had.
    ///
    /// A migration that was released is never changed.
    static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("1 studies, trials, segments") { database in
            try database.execute(
                sql: """
                    CREATE TABLE studies (
                        id INTEGER PRIMARY KEY AUTOINCREMENT,
                        name TEXT NOT NULL UNIQUE,
                        yaml TEXT NOT NULL,
                        json TEXT NOT NULL,
                        base_folder TEXT NOT NULL,
                        trials INTEGER NOT NULL,
                        steps INTEGER NOT NULL,
                        segment_steps INTEGER NOT NULL,
                        state TEXT NOT NULL,
                        created INTEGER NOT NULL
                    );
                    CREATE TABLE trials (
                        study INTEGER NOT NULL REFERENCES studies (id),
                        trial INTEGER NOT NULL,
                        state TEXT NOT NULL,
                        step INTEGER NOT NULL,
                        attempt INTEGER NOT NULL,
                        crashes INTEGER NOT NULL,
                        failure TEXT NOT NULL,
                        PRIMARY KEY (study, trial)
                    ) WITHOUT ROWID;
                    CREATE TABLE segments (
                        study INTEGER NOT NULL,
                        trial INTEGER NOT NULL,
                        from_step INTEGER NOT NULL,
                        to_step INTEGER NOT NULL,
                        attempt INTEGER NOT NULL,
                        worker TEXT NOT NULL,
                        digest TEXT NOT NULL,
                        finished INTEGER NOT NULL,
                        best_loss REAL,
                        best_step INTEGER,
                        loss REAL,
                        cpu TEXT NOT NULL,
                        received INTEGER NOT NULL,
                        payload BLOB NOT NULL,
                        PRIMARY KEY (study, trial, from_step),
                        FOREIGN KEY (study, trial) REFERENCES trials (study, trial)
                    );
                    CREATE TABLE conflicts (
                        study INTEGER NOT NULL,
                        trial INTEGER NOT NULL,
                        from_step INTEGER NOT NULL,
                        to_step INTEGER NOT NULL,
                        attempt INTEGER NOT NULL,
                        worker TEXT NOT NULL,
                        digest TEXT NOT NULL,
                        cpu TEXT NOT NULL,
                        received INTEGER NOT NULL,
                        payload BLOB NOT NULL,
                        PRIMARY KEY (study, trial, from_step, digest),
                        FOREIGN KEY (study, trial) REFERENCES trials (study, trial)
                    );
                    """)
        }
        migrator.registerMigration("2 data-parallel steps, pieces, priorities, events") { database in
            try database.execute(
                sql: """
                    ALTER TABLE studies ADD COLUMN priority INTEGER NOT NULL DEFAULT 0;
                    ALTER TABLE studies ADD COLUMN paused INTEGER NOT NULL DEFAULT 0;
                    ALTER TABLE studies ADD COLUMN parallel TEXT NOT NULL DEFAULT 'trials';
                    ALTER TABLE studies ADD COLUMN encode_parts INTEGER NOT NULL DEFAULT 0;
                    ALTER TABLE studies ADD COLUMN preview_every INTEGER;
                    ALTER TABLE studies ADD COLUMN mixed INTEGER NOT NULL DEFAULT 0;
                    ALTER TABLE studies ADD COLUMN manifest TEXT NOT NULL DEFAULT '';
                    ALTER TABLE studies ADD COLUMN failure TEXT NOT NULL DEFAULT '';
                    ALTER TABLE trials ADD COLUMN class TEXT NOT NULL DEFAULT '';
                    ALTER TABLE trials ADD COLUMN settings TEXT;
                    CREATE TABLE pieces (
                        study INTEGER NOT NULL REFERENCES studies (id),
                        kind TEXT NOT NULL,
                        trial INTEGER NOT NULL,
                        number INTEGER NOT NULL,
                        digest TEXT NOT NULL,
                        bytes INTEGER NOT NULL,
                        worker TEXT NOT NULL,
                        received INTEGER NOT NULL,
                        PRIMARY KEY (study, kind, trial, number)
                    ) WITHOUT ROWID;
                    CREATE TABLE events (
                        number INTEGER PRIMARY KEY AUTOINCREMENT,
                        time INTEGER NOT NULL,
                        kind TEXT NOT NULL,
                        study INTEGER,
                        trial INTEGER,
                        worker TEXT NOT NULL,
                        text TEXT NOT NULL
                    );
                    """)
        }
        migrator.registerMigration("3 the class of a study") { database in
            try database.execute(sql: "ALTER TABLE studies ADD COLUMN class TEXT NOT NULL DEFAULT ''")
        }
        return migrator
    }
}
