# What the core utilities ask of the kernel; run with those of GNU and with those of busybox.
set -eu
head -c 300000 /dev/urandom > source
cp source copy
cp -p source kept
cp -r . /tmp/tree
mv kept moved
cat source copy > both
test "$(cat both | wc -c)" = 600000
cat source | tee first > second
cmp first second
test "$(yes | head -n 1000 | wc -l)" = 1000
tail -c 10 source | head -c 5 | od | sort | uniq > /dev/null
dd if=source of=copied bs=4k 2> /dev/null
cmp source copied
split -b 100000 source part-
cat part-* | cmp - source
sort -o sorted source
ln -s source link
ln source hard
mkfifo fifo
echo through > fifo &
test "$(cat fifo)" = through
wait
touch -d @1 moved
stat source > /dev/null
truncate -s 10 copied
chmod 600 source
timeout 5 true
sleep 0.01
nproc > /dev/null
df . > /dev/null
sync
rm -r /tmp/tree
find . -name 'part-*' -exec rm {} +
tar cf archive.tar source && tar tf archive.tar > /dev/null
mktemp > /dev/null
id > /dev/null
echo ok
