{
 "method": "GET",
 "url": "${site}books/2/",
 "sent": "",
 "status": 200,
 "headers": [
  [
   "Content-Type",
   "text/html; charset=utf-8"
  ]
 ],
 "body": "../pages/item-2.html"
}
