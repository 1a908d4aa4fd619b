//! Lists the objects at a URL.

use std::io;
use std::path::Path;
use std::sync::Arc;

use object_store::ObjectMeta;
use object_store::list::PaginatedListOptions;
use object_store::path::Path as Key;

use super::connect::Place;
use super::error::failed;
use super::{Folder, Store, find, runtime};
use crate::budget::{Pages, Spent};
use crate::store::Listing;

/// Maximum number of objects in a directory, including those that are not logs. A page has 1000 of
/// them.
const MAX_OBJECTS: usize = 10_000_000;
/// Maximum number of consecutive empty pages: S3 returns some where much was deleted.
const MAX_EMPTY: usize = 1000;
/// Maximum number of objects that are kept in memory.
const MAX_KEPT: usize = 2_000_000;

/// The meaning of a URL that can be listed.
pub(super) fn check(path: &Path) -> io::Result<Place> {
    let place = Place::of(path)?;
    if place.is_web && place.is_folder {
        let message =
            "web servers cannot list directories: name a single file, not ending in \"/\"";
        return Err(io::Error::new(io::ErrorKind::Unsupported, message));
    }
    Ok(place)
}

/// Lists the objects at the URL `path`. Keeps those whose name `remembered` accepts.
pub(in crate::store) fn list(path: &Path, remembered: fn(&str) -> bool) -> io::Result<Listing> {
    if check(path)?.is_web {
        let (store, key) = find(path)?;
        store.is_file(&key)?;
        return Ok(Listing::File);
    }
    let (store, folder) = find(path)?;
    let prefix = match folder.as_ref() {
        "" => String::new(),
        folder => format!("{folder}/"),
    };
    let listed = objects(&store, &prefix, remembered)?;
    let left_out: Vec<_> = store.left_out.take(&prefix);
    if listed.is_empty() && left_out.is_empty() && !prefix.is_empty() {
        return match store.is_file(&folder) {
            Ok(()) => Ok(Listing::File),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(io::Error::new(error.kind(), "there is nothing at this URL"))
            }
            Err(error) => Err(error),
        };
    }
    let is_of_use = |file: &String| file.rsplit('/').next().is_some_and(remembered);
    let depth = folder.parts().count();
    let below = |key: &Key| key.parts().skip(depth).map(|part| part.as_ref().to_owned()).collect();
    let files = listed.iter().map(|object| below(&object.location)).map(|p: Vec<_>| p.join("/"));
    let files = files.filter(is_of_use).collect();
    let left_out = left_out.iter().filter_map(|key| key.strip_prefix(&prefix));
    let left_out = left_out.map(str::to_owned).filter(is_of_use).collect();
    store.remember(Folder { key: folder, remembered }, listed);
    Ok(Listing::Files { files, left_out })
}

/// The objects below `prefix` that are of use, and the first one in any case.
fn objects(
    store: &Arc<Store>,
    prefix: &str,
    remembered: fn(&str) -> bool,
) -> io::Result<Vec<ObjectMeta>> {
    let mut pages = Pages::new(MAX_OBJECTS, MAX_EMPTY);
    let mut objects: Vec<ObjectMeta> = Vec::new();
    let mut next = None;
    loop {
        let (store, prefix) = (store.clone(), Some(prefix.to_owned()).filter(|p| !p.is_empty()));
        let page = runtime::wait(async move {
            let options = PaginatedListOptions { page_token: next, ..Default::default() };
            match &store.lists {
                Some(lists) => lists.list_paginated(prefix.as_deref(), options).await.map(Some),
                None => Ok(None),
            }
        })?;
        let Some(page) = page.map_err(failed)? else { return Ok(objects) };
        let count = page.result.objects.len();
        for object in page.result.objects {
            // Keeps names, but only of files that are of use.
            if objects.is_empty() || object.location.filename().is_some_and(remembered) {
                objects.push(object);
            }
        }
        if objects.len() > MAX_KEPT {
            return Err(too_many(Spent::Things(MAX_KEPT)));
        }
        let none: Option<()> = None;
        next = match pages.turn(count, none, page.page_token.as_deref()).map_err(too_many)? {
            Some(next) => Some(next.to_owned()),
            None => return Ok(objects),
        };
    }
}

fn too_many(spent: Spent) -> io::Error {
    match spent {
        Spent::Things(_) => io::Error::other(format!("{spent}: name a directory further down")),
        spent => spent.into(),
    }
}
